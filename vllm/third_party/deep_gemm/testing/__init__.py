"""`deep_gemm.testing`: what DeepGEMM's tests and its callers' import by this name.

torch is imported by the functions that need it, so that the package imports without.
"""

from __future__ import annotations

from .bench import bench, bench_kineto
from .conditions import get_arch_major, ignore_env, test_filter
from .numeric import calc_diff, count_bytes

__all__ = [
    "bench",
    "bench_kineto",
    "calc_diff",
    "count_bytes",
    "get_arch_major",
    "ignore_env",
    "test_filter",
]
