"""Time what one call of each function costs the host: ours, DeepGEMM's, torch's.

Launch included: the same small problem again and again, without waiting for the GPU. Batches of
all methods take turns and the lowest mean of a batch counts, since whatever else runs only adds.
The launch of an empty kernel by torch takes its turns, too: it tells a busy machine from a slow
call.

    python benchmarks/host_overhead.py --output benchmarks/results/h200_host_overhead.json
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.devices import require_hopper
from benchmarks.gemm_comparison.methods import all_methods, right_ones
from benchmarks.gemm_comparison.operands import draw
from benchmarks.gemm_comparison.problems import Problem
from benchmarks.gemm_comparison.torch_calls import Call
from benchmarks.record import write_record

# One group: torch, which has no call for several, would pay for as many calls.
PROBLEMS = (
    Problem(family="dense", m=64, n=2112, k=7168),
    Problem(family="grouped", groups=1, m=128, n=2112, k=2048),
    Problem(family="masked", groups=1, m=64, n=2112, k=2048),
    Problem(family="bf16", m=64, n=2112, k=2048),
)
# Short batches, many of them: whatever else the machine does misses some.
CALLS = 40
BATCHES = 100


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a line a method and family, write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, help="JSON file")
    options = parser.parse_args(arguments)
    require_hopper()
    rows = []
    for problem in PROBLEMS:
        microseconds = measure(problem)
        for name, value in microseconds.items():
            print(f"{problem.family:>8} {name:>12} {value:6.2f} us a call")
        shape = (problem.groups, problem.m, problem.n, problem.k)
        rows.append({"family": problem.family, "shape": shape, "host_microseconds": microseconds})
    if options.output:
        write_record(options.output, "python benchmarks/host_overhead.py", {"rows": rows})
    return 0


def measure(problem: Problem) -> dict[str, float]:
    """Return the lowest mean of a batch for each method that computes the problem right."""
    given = draw(problem, torch.device("cuda"), seed=0)
    calls = {method.name: method.call(given) for method in right_ones(all_methods(), given)}
    calls["empty kernel"] = empty_kernel
    microseconds = dict.fromkeys(calls, float("inf"))
    for _ in range(BATCHES):
        for name, call in calls.items():
            microseconds[name] = min(microseconds[name], batch(call))
    return microseconds


def empty_kernel() -> None:
    """Launch a kernel that waits for no cycle."""
    torch.cuda._sleep(0)


def batch(call: Call) -> float:
    """Return the mean microseconds of CALLS calls; few enough that the launch queue never fills."""
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(CALLS):
        call()
    return (time.perf_counter() - start) / CALLS * 1e6


if __name__ == "__main__":
    sys.exit(main())
