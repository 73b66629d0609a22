"""Time the first call of shapes that a process has not seen yet, until the result is there.

Ours were compiled ahead of time; a JIT compiles one for each new shape. The process is warm: a
first problem has loaded library and context. DeepGEMM compiles into an empty cache.

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

from benchmarks.gemm import make_inputs, methods
from benchmarks.record import write_record

WARM = (256, 256, 256)
SHAPES = ((64, 2112, 7168), (4096, 7168, 2048), (128, 24576, 1536), (1000, 520, 1024))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a line a shape, write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, help="JSON file")
    options = parser.parse_args(arguments)
    device = torch.device("cuda")
    makers = methods(make_inputs(*WARM, device, seed=0))
    rows = []
    for shape in SHAPES:
        inputs = make_inputs(*shape, device, seed=0)
        milliseconds = {}
        for name, make in makers.items():
            call = make(inputs)
            torch.cuda.synchronize()
            start = time.perf_counter()
            call()
            torch.cuda.synchronize()
            milliseconds[name] = (time.perf_counter() - start) * 1e3
        rows.append({"shape": shape, "first_call_milliseconds": milliseconds})
        print(shape, " ".join(f"{name} {value:.3f} ms" for name, value in milliseconds.items()))
    if options.output:
        write_record(options.output, "python benchmarks/first_call.py", {"rows": rows})
    return 0


if __name__ == "__main__":
    sys.exit(main())
