"""Time the first call of shapes that a process has not seen yet, until the result is there.

Ours were compiled ahead of time; a JIT compiles one for each new shape. The process is warm: a
first problem of each family has loaded library and context. DeepGEMM compiles into an empty cache.

    python benchmarks/first_call.py --output benchmarks/results/h200_first_call.json
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

# Before anything imports DeepGEMM: its cache of compiled kernels.
os.environ["DG_JIT_CACHE_DIR"] = tempfile.mkdtemp(prefix="first-call-")

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.devices import require_hopper
from benchmarks.gemm_comparison.methods import all_methods, right_ones
from benchmarks.gemm_comparison.operands import draw
from benchmarks.gemm_comparison.problems import Problem
from benchmarks.gemm_comparison.torch_calls import Call
from benchmarks.record import write_record

WARM = {
    "dense": Problem(family="dense", m=256, n=256, k=256),
    "grouped": Problem(family="grouped", groups=2, m=256, n=256, k=256),
    "masked": Problem(family="masked", groups=2, m=256, n=256, k=256),
    "bf16": Problem(family="bf16", m=256, n=256, k=256),
}
NEW = (
    Problem(family="dense", m=64, n=2112, k=7168),
    Problem(family="dense", m=4096, n=7168, k=2048),
    Problem(family="dense", m=128, n=24576, k=1536),
    Problem(family="dense", m=1000, n=520, k=1024),
    Problem(family="grouped", groups=4, m=1024, n=4096, k=7168),
    Problem(family="masked", groups=4, m=256, n=7168, k=2048),
    Problem(family="bf16", m=64, n=2112, k=7168),
    Problem(family="bf16", m=4096, n=7168, k=2048),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a line a shape, write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, help="JSON file")
    options = parser.parse_args(arguments)
    require_hopper()
    device = torch.device("cuda")
    methods = {
        family: right_ones(all_methods(), draw(problem, device, seed=0))
        for family, problem in WARM.items()
    }
    rows = []
    for problem in NEW:
        given = draw(problem, device, seed=0)
        milliseconds = {
            method.name: first(method.call(given)) for method in methods[problem.family]
        }
        shape = (problem.groups, problem.m, problem.n, problem.k)
        rows.append(
            {"family": problem.family, "shape": shape, "first_call_milliseconds": milliseconds}
        )
        told = " ".join(f"{name} {value:.3f} ms" for name, value in milliseconds.items())
        print(problem.family, problem, told)
    if options.output:
        write_record(options.output, "python benchmarks/first_call.py", {"rows": rows})
    return 0


def first(call: Call) -> float:
    """Return the milliseconds until the call's result is there."""
    torch.cuda.synchronize()
    start = time.perf_counter()
    call()
    torch.cuda.synchronize()
    return (time.perf_counter() - start) * 1e3


if __name__ == "__main__":
    sys.exit(main())
