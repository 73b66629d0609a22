"""Time what one call costs the host: ours, DeepGEMM's, torch's blockwise scaled mm.

Launch included: the same small problem again and again, without waiting for the GPU. Batches of
all methods take turns and the lowest mean of a batch counts, since whatever else runs only adds.

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

from benchmarks.gemm import Call, make_inputs, methods
from benchmarks.record import write_record

SHAPE = (64, 2112, 7168)
CALLS = 200
BATCHES = 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a line a method, write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, help="JSON file")
    options = parser.parse_args(arguments)
    inputs = make_inputs(*SHAPE, torch.device("cuda"), seed=0)
    calls = {name: make(inputs) for name, make in methods(inputs).items()}
    microseconds = dict.fromkeys(calls, float("inf"))
    for _ in range(BATCHES):
        for name, call in calls.items():
            microseconds[name] = min(microseconds[name], batch(call))
    for name, value in microseconds.items():
        print(f"{name:>10} {value:6.2f} us a call")
    if options.output:
        rows = {"shape": SHAPE, "host_microseconds": microseconds}
        write_record(options.output, "python benchmarks/host_overhead.py", rows)
    return 0


def batch(call: Call) -> float:
    """Return the mean microseconds of CALLS calls; few enough that the launch queue never fills."""
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(CALLS):
        call()
    return (time.perf_counter() - start) / CALLS * 1e6


if __name__ == "__main__":
    sys.exit(main())
