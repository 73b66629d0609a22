"""Time every configuration of the FP8 GEMM on the published shapes: what does choosing cost?

The figures are what the estimate's constants in csrc/deep_gemm/host/config_table.cpp are fitted to.
Configurations of which a shape would fill less than a quarter of a tile are left out.

    python benchmarks/choice.py --output benchmarks/results/h200_choice.json
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.gemm import (
    ROWS,
    WEIGHTS,
    call_ours,
    capture,
    input_sets,
    make_inputs,
    replay,
)
from benchmarks.record import write_record
from vllm.third_party.deep_gemm import _C, get_num_sms

REPLAYS = 7


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a line a shape, write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, help="JSON file")
    options = parser.parse_args(arguments)
    rows, losses = [], []
    for n, k in WEIGHTS:
        for m in ROWS:
            microseconds = measure(m, n, k)
            chosen, _ = _C.explain(m, n, k, 2, get_num_sms())
            fastest = min(microseconds, key=lambda name: microseconds[name])
            losses.append(microseconds[chosen] / microseconds[fastest])
            print(
                f"{m:6} {n:6} {k:6} {chosen:>16} {microseconds[chosen]:8.1f} us, "
                f"fastest {fastest:>16} {microseconds[fastest]:8.1f} us"
            )
            rows.append({"m": m, "n": n, "k": k, "chosen": chosen, "microseconds": microseconds})
    loss = statistics.geometric_mean(losses)
    print(f"chosen over fastest, geometric mean: {loss:.3f}")
    if options.output:
        figures = {"chosen_over_fastest_geometric_mean": loss, "rows": rows}
        write_record(options.output, "python benchmarks/choice.py", figures)
    return 0


def measure(m: int, n: int, k: int) -> dict[str, float]:
    """Return the microseconds of each configuration that suits the shape, all taking turns."""
    device = torch.device("cuda")
    # Seeds from 1 on: no float64 copies.
    inputs = [make_inputs(m, n, k, device, seed + 1) for seed in range(input_sets(m, n, k))]
    graphs = {}
    for config in _C.configs():
        if config["output_bytes"] != 2 or config["tile_m"] > 4 * m:
            continue
        _C.force_config(config["name"])
        graphs[config["name"]] = capture([call_ours(i) for i in inputs])
    _C.force_config(None)
    times: dict[str, list[float]] = {name: [] for name in graphs}
    for _ in range(REPLAYS):
        for name, graph in graphs.items():
            times[name].append(replay(graph) / len(inputs))
    return {name: statistics.median(values) for name, values in times.items()}


if __name__ == "__main__":
    sys.exit(main())
