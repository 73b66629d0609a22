"""Time every configuration of a dense GEMM: what does choosing cost, on the published shapes?

The figures are what the estimate's constants in csrc/deep_gemm/host/config_table.cpp are fitted to.
Tiles of more than 64 rows of which a shape would fill less than a quarter are left out.

    python benchmarks/choice.py --output benchmarks/results/h200_choice.json
    python benchmarks/choice.py --family bf16 --rows 64 128 --launch plain
    python benchmarks/choice.py --shape 64 5120 8192 --shape 96 5120 8192
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.devices import require_hopper
from benchmarks.gemm_comparison.methods import LAUNCHES, Method
from benchmarks.gemm_comparison.operands import draw
from benchmarks.gemm_comparison.problems import Problem, add_options, chosen_problems
from benchmarks.gemm_comparison.timing import calls_of_a_graph, capture, input_sets, take_turns
from benchmarks.gemm_comparison.work import work_of
from benchmarks.record import write_record
from tests.kernels.configurations import configurations, forced
from vllm.third_party import deep_gemm as ours
from vllm.third_party.deep_gemm import _C, get_num_sms

REPLAYS = 7
# The configurations of a family of problems, and their kind.
FAMILIES = {"dense": ("fp8", "fp8"), "bf16": ("bf16", "bf16_nt")}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a line a shape, write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser, FAMILIES, "dense")
    parser.add_argument("--launch", choices=LAUNCHES, default="usual", help="settings of launches")
    parser.add_argument("--output", type=Path, help="JSON file")
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = parser.parse_args(given)
    try:
        problems = chosen_problems(options)
    except ValueError as error:
        parser.error(str(error))
    require_hopper()
    method = Method(name="ours", library=ours, settings=LAUNCHES[options.launch])
    rows, losses = [], []
    for problem in problems:
        m, n, k = problem.m, problem.n, problem.k
        microseconds = measure(problem, method)
        early = method.settings.get("early_weights", False)
        steering = (FAMILIES[options.family][1], 0, 0, early)
        chosen, _ = _C.explain(m, n, k, 2, get_num_sms(), *steering)
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
        write_record(options.output, " ".join(("python", "benchmarks/choice.py", *given)), figures)
    return 0


def measure(problem: Problem, method: Method) -> dict[str, float]:
    """Return the microseconds of each configuration that suits the shape, all taking turns."""
    work = work_of(problem)
    sets = input_sets(work.bytes)
    count = calls_of_a_graph(sets, work.floor)
    inputs = [draw(problem, torch.device("cuda"), seed) for seed in range(sets)]
    calls = [method.call(each) for each in inputs]
    graphs = {}
    for config in configurations(FAMILIES[problem.family][0], grouped=False):
        k_major = (config.a_major, config.b_major) == ("k", "k")
        if k_major and config.output == torch.bfloat16 and config.tile_m <= max(64, 4 * problem.m):
            with forced(config), method.set():
                graphs[config.name] = capture(calls, count)
    return take_turns(graphs, count, REPLAYS)


if __name__ == "__main__":
    sys.exit(main())
