"""Let DeepGEMM compile its kernels in several processes before they are measured.

Its cache on disk is shared, and it compiles one kernel at a time: for all problems in one process
that takes longer than measuring them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from importlib.util import find_spec
from multiprocessing import get_context

from benchmarks.gemm_comparison.problems import Problem


def compile_peers_kernels(problems: Sequence[Problem], processes: int) -> None:
    """Call DeepGEMM on every problem once; a failure is said, and shows again when measured."""
    if processes < 1 or find_spec("deep_gemm") is None:
        return
    shares = [problems[start::processes] for start in range(processes)]
    # A forked process could not use CUDA after this one has.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        try:
            for failures in pool.map(call_each, shares):
                print(*failures, sep="\n", end="\n" * bool(failures), file=sys.stderr)
        except BrokenProcessPool as failure:
            print(f"deep_gemm: not compiled ahead ({failure})", file=sys.stderr)


def call_each(problems: Sequence[Problem], device: str = "cuda") -> list[str]:
    """Call DeepGEMM on each problem and return what failed."""
    import torch

    from benchmarks.gemm_comparison.methods import deep_gemm_here, first_line
    from benchmarks.gemm_comparison.operands import draw

    deep_gemm = deep_gemm_here()
    if isinstance(deep_gemm, str):
        return []  # whoever measures says so
    failures = []
    for problem in problems:
        try:
            draw(problem, torch.device(device), seed=0).through(deep_gemm)()
        except Exception as failure:
            why = first_line(failure)
            failures.append(f"deep_gemm: {problem.family} {problem} not compiled ahead ({why})")
    return failures
