"""What DeepGEMM's tests measure differences and bytes with."""

from __future__ import annotations

import math
import os
from functools import partial

import pytest
import torch

from vllm.third_party.deep_gemm import testing
from vllm.third_party.deep_gemm.testing.bench import mean_seconds


class Kernel:
    """One line of a profiler's table."""

    def __init__(self, key: str, count: int, device_time_total: float) -> None:
        self.key, self.count, self.device_time_total = key, count, device_time_total


def test_equal_tensors_differ_by_nothing() -> None:
    """Also where all elements are zero."""
    x = torch.randn(30, 40)
    assert abs(testing.calc_diff(x, x)) < 1e-12
    assert testing.calc_diff(torch.zeros(3), torch.zeros(3)) == 0.0


def test_a_difference_is_half_of_the_squared_relative_error() -> None:
    """Orthogonal noise of a hundredth."""
    x, noise = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 0.01])
    assert testing.calc_diff(x, x + noise) == pytest.approx(0.5e-4, rel=1e-3)
    assert testing.calc_diff(x, -x) == pytest.approx(2.0)


def test_a_tensor_with_a_nan_is_never_near() -> None:
    """Every comparison with the difference fails."""
    assert math.isnan(testing.calc_diff(torch.tensor([1.0, math.nan]), torch.ones(2)))


def test_bytes_of_pairs_and_of_absent_tensors_count() -> None:
    """Tuples are looked into, None has none."""
    pair = (torch.zeros(3, 4, dtype=torch.float8_e4m3fn), torch.zeros(5))
    assert testing.count_bytes(pair, None, torch.zeros(2, dtype=torch.bfloat16)) == 12 + 20 + 4


def test_a_filtered_test_runs_where_its_condition_holds() -> None:
    """Elsewhere it does nothing."""
    seen: list[int] = []
    for condition in (False, True):
        testing.test_filter(partial(bool, condition))(seen.append)(int(condition))
    assert seen == [1]


def test_an_ignored_variable_is_back_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is absent inside, and present inside where the condition does not hold."""
    monkeypatch.setenv("IGNORED", "1")
    seen: list[bool] = []

    def body() -> None:
        seen.append("IGNORED" in os.environ)
        raise KeyError

    for condition in (True, False):
        with pytest.raises(KeyError):
            testing.ignore_env("IGNORED", partial(bool, condition))(body)()
        assert os.environ["IGNORED"] == "1"
    assert seen == [False, True]


def test_kernel_times_are_of_launches_by_name() -> None:
    """Microseconds of the profiler become seconds a launch; an absent name has no time."""
    kernels = [Kernel("fp8_gemm", 4, 40.0), Kernel("fill", 9, 9.0), Kernel("fp8_split", 1, 20.0)]
    assert mean_seconds(kernels, "gemm", several=False) == pytest.approx(10e-6)
    assert mean_seconds(kernels, "fp8", several=True) == pytest.approx(12e-6)
    assert mean_seconds(kernels, "other", several=False) == 0.0
    with pytest.raises(ValueError, match="expected one kernel named 'fp8', got fp8_gemm, fp8_spl"):
        mean_seconds(kernels, "fp8", several=False)
