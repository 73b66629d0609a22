"""Measure what the bytes of a decode call cost: all through shared memory, nothing multiplied.

Compiles and runs benchmarks/streaming/stream.cu (nvcc is asked for on PATH), prints for each shape
the faster of its tile widths: as usual, with programmatic dependent launch, and with weights that
are read before the last call has ended, too.

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
SHAPE = ("m", "n", "k")
TIMES = ("microseconds", "microseconds_pdl", "microseconds_early")


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
    print(f"{'m':>5} {'n':>6} {'k':>6} {'us':>9} {'us, PDL':>9} {'us, early':>9}")
    for row in rows:
        times = " ".join(f"{row[name]:9.2f}" for name in TIMES)
        print(f"{row['m']:5} {row['n']:6} {row['k']:6} {times}")
    if options.output:
        write_record(options.output, "python benchmarks/streaming.py", {"rows": rows})
    return 0


def compiled(nvcc: str, folder: Path) -> Path:
    """Return the program, made in this folder."""
    program = folder / "stream"
    command = [nvcc, "-std=c++20", "-O3", "-gencode=arch=compute_90a,code=sm_90a"]
    command += ["-Icsrc/deep_gemm", "benchmarks/streaming/stream.cu", "-o", str(program)]
    subprocess.run(command, cwd=ROOT, check=True)
    return program


def measured(nvcc: str) -> list[Figures]:
    """Compile the kernel and return what it measures."""
    with tempfile.TemporaryDirectory() as folder:
        program = compiled(nvcc, Path(folder))
        answer = subprocess.run([str(program)], stdout=subprocess.PIPE, check=False, text=True)
    if answer.returncode:
        raise SystemExit("error: GPU: expected sm_90 with its driver; what CUDA said stands above")
    rows: list[Figures] = json.loads(answer.stdout)
    return rows


def fastest(rows: Sequence[Figures]) -> list[Figures]:
    """Return for each shape the lowest of each time over its tile widths."""
    best: dict[tuple[float, ...], dict[str, float]] = {}
    for row in rows:
        figures = best.setdefault(tuple(row[name] for name in SHAPE), dict(row))
        for name in TIMES:
            figures[name] = min(figures[name], row[name])
        figures.pop("tile_n", None)
    return list(best.values())


if __name__ == "__main__":
    sys.exit(main())
