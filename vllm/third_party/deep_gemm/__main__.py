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

OUTPUT_BYTES = {"bf16": 2, "f32": 4}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the compiled configurations, or every candidate's estimate for one problem, cheapest
    first.
    """
    options = _parser().parse_args(arguments)
    try:
        if options.extents or options.groups or options.expected_m or options.early_weights:
            rows = _candidates(options)
        else:
            rows = _table(options)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return _show(rows, as_json=options.json)


def _table(options: argparse.Namespace) -> list[dict[str, object]]:
    """Return the configurations, of one kind and output where they are named.

    Raises: ValueError.
    """
    named = OUTPUT_BYTES.get(options.output)
    rows = [dict(row) for row in _C.configs() if options.kind in {None, row["kind"]}]
    if options.kind:
        _outputs(options.kind, options.output)  # refuses what would leave no row
    return [row for row in rows if named in {None, row["output_bytes"]}]


def _candidates(options: argparse.Namespace) -> list[dict[str, object]]:
    """Return every candidate's estimate for a problem; one that a call refuses is refused here.

    Raises: ValueError.
    """
    if len(options.extents) != 3:
        raise ValueError("expected M N K, three numbers, or none")
    m, n, k = options.extents
    kind = options.kind or "fp8"
    multiple = 16 if kind.startswith("fp8") else 8
    if k % multiple:
        raise ValueError(f"K: expected a multiple of {multiple} for {kind}, got {k}")
    output_bytes = min(_outputs(kind, options.output))  # bf16 where nobody says
    steering = (kind, options.groups, options.expected_m, options.early_weights)
    chosen, estimates = _C.explain(m, n, k, output_bytes, options.num_sms, *steering)
    estimates.sort(key=lambda row: row["cycles"])
    return [{"chosen": "->" if row["name"] == chosen else "", **row} for row in estimates]


def _outputs(kind: str, named: str | None) -> set[int]:
    """Return the bytes of the outputs that a kind writes, or of the named one alone."""
    written = {row["output_bytes"] for row in _C.configs() if row["kind"] == kind}
    wanted = {OUTPUT_BYTES[named]} if named else written
    if not wanted <= written:
        names = " or ".join(name for name, size in OUTPUT_BYTES.items() if size in written)
        raise ValueError(f"--output {named}: expected {names}, which {kind} writes")
    return wanted


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m {__package__}", description=__doc__)
    parser.add_argument(
        "extents", nargs="*", type=int, metavar="M N K", help="explain the choice for this problem"
    )
    parser.add_argument(
        "--output", choices=OUTPUT_BYTES, help="type of d (default: bf16 where the kind has it)"
    )
    parser.add_argument(
        "--num-sms", type=int, default=132, help="multiprocessors (default: 132, an H100 or H200)"
    )
    parser.add_argument(
        "--kind",
        choices=sorted({row["kind"] for row in _C.configs()}),
        help="operands: their type, major-ness and grouping (default: fp8; of the table: all)",
    )
    parser.add_argument("--groups", type=int, default=0, help="groups of B, of a grouped kind")
    parser.add_argument(
        "--expected-m",
        type=int,
        default=0,
        help="rows that a group is expected to have, of its M: then rows are masked",
    )
    parser.add_argument(
        "--early-weights", action="store_true", help="as if set_early_weights were on"
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
