"""Measure what a decode call costs at least: its bytes through shared memory, no multiplication.

Compiles and runs benchmarks/streaming/stream.cu (nvcc is asked for on PATH), prints for each shape
the faster of its tile widths, without and with programmatic dependent launch.

    python benchmarks/streaming.py --output benchmarks/results/h200_streaming.json
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.record import write_record

ROOT = Path(__file__).resolve().parents[1]
Figures = Mapping[str, float]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a line a shape, write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, help="JSON file")
    options = parser.parse_args(arguments)
    nvcc = shutil.which("nvcc")
    if nvcc is None:
        print("error: nvcc: expected on PATH, found none", file=sys.stderr)
        return 1
    rows = fastest(measured(nvcc))
    print(f"{'m':>5} {'n':>6} {'k':>6} {'us':>7} {'us, PDL':>8}")
    for row in rows:
        times = f"{row['microseconds']:7.2f} {row['microseconds_pdl']:8.2f}"
        print(f"{row['m']:5} {row['n']:6} {row['k']:6} {times}")
    if options.output:
        write_record(options.output, "python benchmarks/streaming.py", {"rows": rows})
    return 0


def measured(nvcc: str) -> list[Figures]:
    """Compile the kernel and return what it measures."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "stream")
        command = [nvcc, "-std=c++20", "-O3", "-gencode=arch=compute_90a,code=sm_90a"]
        command += ["-Icsrc/deep_gemm", "benchmarks/streaming/stream.cu", "-o", str(program)]
        subprocess.run(command, cwd=ROOT, check=True)
        answer = subprocess.run([str(program)], stdout=subprocess.PIPE, check=True, text=True)
    rows: list[Figures] = json.loads(answer.stdout)
    return rows


def fastest(rows: Sequence[Figures]) -> list[Figures]:
    """Return for each shape the row of the fastest tile width."""
    best: dict[tuple[float, ...], Figures] = {}
    for row in rows:
        shape = (row["m"], row["n"], row["k"])
        if shape not in best or row["microseconds"] < best[shape]["microseconds"]:
            best[shape] = row
    return list(best.values())


if __name__ == "__main__":
    sys.exit(main())
