"""What the streaming benchmark makes of its kernel's times, without a GPU."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.streaming import ROOT, compiled, fastest
from tools.toolchain import find_toolkit


def test_each_time_is_the_lowest_of_all_tile_widths() -> None:
    """Shape by shape: the bound is the fastest way to copy, which need not be one width's."""
    shape = {"m": 64, "n": 4096, "k": 7168}
    times = ("microseconds", "microseconds_pdl", "microseconds_early")
    rows = [
        {**shape, "tile_n": 64, **dict(zip(times, (6.0, 4.0, 3.5), strict=True))},
        {**shape, "tile_n": 128, **dict(zip(times, (5.0, 4.5, 3.0), strict=True))},
        {**shape, "n": 64, "tile_n": 64, **dict.fromkeys(times, 1.0)},
    ]
    assert fastest(rows) == [
        {**shape, **dict(zip(times, (5.0, 4.0, 3.0), strict=True))},
        {**shape, "n": 64, **dict.fromkeys(times, 1.0)},
    ]


def test_its_kernel_compiles(tmp_path: Path) -> None:
    """It shares the kernels' headers."""
    toolkit = find_toolkit(ROOT, os.environ, os.environ.get("DEEPGEMM_NVCC", ""))
    if toolkit is None:
        pytest.skip("needs nvcc 12.8 or later, found none")
    assert compiled(str(toolkit.nvcc), tmp_path).is_file()
