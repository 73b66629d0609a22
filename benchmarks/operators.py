"""Time the operators of vllm._C: on a GPU against a copy of as many bytes, on a CPU against eager.

The share of the copy rate is (bytes that the operator has to move / its time) over the same of a
device copy of the same run. Calls of all methods take turns; the median counts, on a CPU, which
others may use too, the lowest. Quantisation is also timed as torch.compile makes it of the same
expression. Every result is checked first.

    python benchmarks/operators.py --output benchmarks/results/h200_operators.json
    python benchmarks/operators.py --device cpu --output benchmarks/results/operators_cpu.json
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.devices import require_hopper
from benchmarks.operator_cases import CASES, HIDDEN, Call, Case
from benchmarks.record import write_record

TOKENS = {"cuda": 16384, "cpu": 512}
DTYPES = ("bfloat16", "float16", "float32")
ROUNDS = {"cuda": 20, "cpu": 60}
COPY = "copy"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One operator's times in microseconds a call, and on a GPU its share of the copy rate."""

    name: str
    dtype: str
    bytes: int
    microseconds: Mapping[str, float] = field(default_factory=dict)
    share_of_copy: float | None = None


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a line an operator, write what was asked for."""
    options = _parser().parse_args(arguments)
    kind = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    if kind == "cuda":
        require_hopper()
    tokens = options.tokens or TOKENS[kind]
    rows = []
    for dtype in options.dtypes:
        for make in CASES:
            case = make(tokens, torch.device(kind), getattr(torch, dtype))
            rows.append(Row(dtype=dtype, **measure(case, kind)))
            print(line(rows[-1]), flush=True)
    if options.output:
        shape = {"tokens": tokens, "hidden": HIDDEN}
        threads = {"threads": torch.get_num_threads()} if kind == "cpu" else {}
        figures = {**shape, **threads, "operators": [asdict(row) for row in rows]}
        write_record(options.output, f"python benchmarks/operators.py --device {kind}", figures)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=sorted(TOKENS), help="default: cuda where there is one")
    parser.add_argument("--tokens", type=int, help="default: 16384 on a GPU, 512 on a CPU")
    parser.add_argument("--dtypes", choices=DTYPES, nargs="*", default=list(DTYPES))
    parser.add_argument("--output", type=Path, help="JSON file")
    return parser


def line(row: Row) -> str:
    """Spell a row for a terminal."""
    times = "  ".join(f"{name} {value:9.1f} us" for name, value in row.microseconds.items())
    share = "" if row.share_of_copy is None else f"  {row.share_of_copy:5.0%} of the copy rate"
    return f"{row.name:39} {row.dtype:9} {times}{share}"


def measure(case: Case, kind: str) -> dict[str, Any]:
    """Check the result, then time every method in turns."""
    if not case.agrees(case.call(), case.eager()):
        raise SystemExit(f"{case.name}: expected eager torch's result, found another")
    methods = {"ours": case.call, "eager": case.eager}
    if kind == "cuda":
        methods[COPY] = _copy(case.bytes)
        if case.compiled:
            methods["compiled"] = torch.compile(case.eager, dynamic=False)
    clock = _gpu_microseconds if kind == "cuda" else _cpu_microseconds
    times: dict[str, list[float]] = {name: [] for name in methods}
    for call in methods.values():
        call(), call()
    for _ in range(ROUNDS[kind]):
        for name, call in methods.items():
            times[name].append(clock(call))
    typical = statistics.median if kind == "cuda" else min
    figures = {name: typical(values) for name, values in times.items()}
    share = figures[COPY] / figures["ours"] if COPY in figures else None
    return {
        "name": case.name,
        "bytes": case.bytes,
        "microseconds": figures,
        "share_of_copy": share,
    }


def _copy(total: int) -> Call:
    """Return a device copy that reads and writes `total` bytes together."""
    source = torch.empty(total // 2, dtype=torch.uint8, device="cuda")
    return partial(torch.empty_like(source).copy_, source)


def _gpu_microseconds(call: Call) -> float:
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda._sleep(1_000_000)  # the launches are queued before the first runs
    start.record()
    call()
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end)) * 1e3


def _cpu_microseconds(call: Call) -> float:
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1e6


if __name__ == "__main__":
    sys.exit(main())
