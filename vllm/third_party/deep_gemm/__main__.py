"""`python -m [vllm.third_party.]deep_gemm [M N K]`: the table of configurations, or the choice for
one problem.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Mapping, Sequence

from . import _C


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the compiled configurations, or every candidate's estimate for one problem, cheapest
    first.
    """
    options = _parser().parse_args(arguments)
    if options.extents and len(options.extents) != 3:
        print("error: expected M N K, three numbers, or none", file=sys.stderr)
        return 2
    if not options.extents:
        return _show([dict(row) for row in _C.configs()], as_json=options.json)
    output_bytes = {"bf16": 2, "f32": 4}[options.output]
    try:
        m, n, k = options.extents
        chosen, estimates = _C.explain(m, n, k, output_bytes, options.num_sms)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    estimates.sort(key=lambda row: row["cycles"])
    rows = [{"chosen": "->" if row["name"] == chosen else "", **row} for row in estimates]
    return _show(rows, as_json=options.json)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m {__package__}", description=__doc__)
    parser.add_argument(
        "extents", nargs="*", type=int, metavar="M N K", help="explain the choice for this problem"
    )
    parser.add_argument(
        "--output", choices=("bf16", "f32"), default="bf16", help="type of d (default: bf16)"
    )
    parser.add_argument(
        "--num-sms", type=int, default=132, help="multiprocessors (default: 132, an H100 or H200)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _show(rows: Sequence[Mapping[str, object]], *, as_json: bool) -> int:
    if as_json:
        print(json.dumps(rows, indent=2))
        return 0
    cells = [list(rows[0])] + [
        [f"{value:.0f}" if isinstance(value, float) else str(value) for value in row.values()]
        for row in rows
    ]
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    for line in cells:
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        )
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` is no error
    sys.exit(main())
