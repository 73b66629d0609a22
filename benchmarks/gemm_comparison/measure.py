"""Measure problems one after the other: every method that computes one right, taking turns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from benchmarks.gemm_comparison.methods import Method, all_methods, right_ones
from benchmarks.gemm_comparison.operands import draw
from benchmarks.gemm_comparison.problems import Problem
from benchmarks.gemm_comparison.record import Row
from benchmarks.gemm_comparison.timing import calls_of_a_graph, capture, input_sets, take_turns
from benchmarks.gemm_comparison.work import work_of


def measured(problems: Sequence[Problem], *, pdl: bool) -> Iterator[Row]:
    """Yield the row of each problem as it comes, printed as a line of a table."""
    methods = all_methods(pdl=pdl)
    names = [method.name for method in methods]
    titles = (*names, "floor", "TFLOP/s", "TB/s", "of roof", "ratio")
    print(f"{'family':8} {'shape':>18} " + " ".join(f"{title:>13}" for title in titles))
    for problem in problems:
        row = measure(problem, methods)
        figures = [row.time(name) for name in names]
        figures += [row.work.floor, row.tflops("ours"), row.terabytes_per_second("ours")]
        figures += [row.share_of_the_roof, row.ratio]
        cells = " ".join(f"{figure:13.2f}" for figure in figures)
        print(f"{problem.family:8} {problem!s:>18} {cells}", flush=True)
        yield row


def measure(problem: Problem, methods: Sequence[Method]) -> Row:
    """Time every method that is right on one problem."""
    device = torch.device("cuda")
    work = work_of(problem)
    sets = input_sets(work.bytes)
    count = calls_of_a_graph(sets, work.floor)
    inputs = [draw(problem, device, seed) for seed in range(sets)]
    right = right_ones(methods, inputs[0])
    # Kept until the last replay: they own what torch's method laid out anew.
    calls = {method.name: [method.call(each) for each in inputs] for method in right}
    graphs = {}
    for method in right:
        with method.set():
            graphs[method.name] = capture(calls[method.name], count)
    return Row(problem=problem, microseconds=take_turns(graphs, count))
