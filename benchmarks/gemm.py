"""Time our GEMMs against DeepGEMM's and torch's: same inputs, same run, methods taking turns.

Each method's calls are captured in one CUDA graph that walks through input sets larger than the L2
cache together; replays of all methods alternate, and the median counts. Every method's result is
checked against float64 first. Prints a table, writes JSON (`--output`) and, where matplotlib is
there, plots beside it; `--plot` draws them from a JSON elsewhere.

    python benchmarks/gemm.py --pdl --output benchmarks/results/h200_gemm.json
    python benchmarks/gemm.py --family dense --shape 16 5120 8192
    python benchmarks/gemm.py --plot benchmarks/results/h200_gemm.json
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.devices import require_hopper
from benchmarks.gemm_comparison import plots, record
from benchmarks.gemm_comparison.peer_cache import compile_peers_kernels
from benchmarks.gemm_comparison.problems import PROBLEMS, add_options, chosen_problems


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the chosen problems or draw a record; 1 where one of ours was not measured."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = _parser()
    options = parser.parse_args(given)
    if options.plot:
        return _plot(options.plot)
    try:
        problems = chosen_problems(options)
    except ValueError as error:
        parser.error(str(error))
    require_hopper()
    from benchmarks.gemm_comparison.measure import measured  # needs torch and the extension

    compile_peers_kernels(problems, options.compile_processes)
    rows = list(measured(problems, pdl=options.pdl))
    for title, figures in record.summary(rows).items():
        print(f"best peer / ours, {title}: {_figures(figures)}")
    if options.output:
        command = " ".join(("python", "benchmarks/gemm.py", *given))
        record.write(options.output, command, rows)
        _plot(options.output)
    missing = [str(row.problem) for row in rows if "ours" not in row.microseconds]
    if missing:
        print(f"error: ours not measured for {', '.join(missing)}", file=sys.stderr)
    return 1 if missing else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser, (*PROBLEMS, "all"), "all")
    parser.add_argument(
        "--pdl",
        action="store_true",
        help="DeepGEMM with programmatic dependent launch too, ours without, with early weights",
    )
    parser.add_argument(
        "--compile-processes",
        type=int,
        default=8,
        metavar="N",
        help="let DeepGEMM compile its kernels in so many processes first (default: 8; 0: none)",
    )
    parser.add_argument("--output", type=Path, help="JSON file")
    parser.add_argument("--plot", type=Path, metavar="FILE.json", help="draw this record and stop")
    return parser


def _figures(figures: Mapping[str, float]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in figures.items())


def _plot(path: Path) -> int:
    try:
        rows = record.read(path)
        print(*plots.draw(rows, path), sep="\n")
    except ImportError:
        print("plots: not drawn (no matplotlib)", file=sys.stderr)
        return 1
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
