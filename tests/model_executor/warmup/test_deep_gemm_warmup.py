"""Warm-up: kernels that a model will choose, each once, and nothing where nothing is chosen."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from vllm.model_executor.layers import fp8_linear
from vllm.model_executor.layers.fp8_linear import Fp8BlockLinear
from vllm.model_executor.warmup import deep_gemm_warmup as warmup
from vllm.model_executor.warmup.deep_gemm_warmup import Problem, deep_gemm_warmup, plan_warmup
from vllm.third_party.deep_gemm import _C
from vllm.utils.deep_gemm import support


def choose(m: int, n: int, k: int) -> str:
    """Stand in for the library's choice: a tile for each hundred rows, whatever k is."""
    return f"tile{m // 100}_{n}"


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    """Two shapes of layers, one of them thrice, that believe in a Hopper GPU."""
    monkeypatch.setattr(fp8_linear, "is_deep_gemm_supported", lambda: True)
    shapes = ((256, 128), (256, 128), (128, 256), (256, 128))
    return nn.Sequential(*(Fp8BlockLinear(torch.randn(shape)) for shape in shapes))


def test_a_kernel_is_loaded_once_for_all_layers_that_choose_it(model: nn.Module) -> None:
    """Powers of two and the largest number stand for the rest; full leaves none out."""
    relaxed, full = (plan_warmup(model, 300, mode, choose) for mode in ("relax", "full"))
    assert not isinstance(relaxed, str)
    assert not isinstance(full, str)
    assert {each.kernel for each in relaxed} == {
        f"tile{tile}_{n}" for tile in (0, 1, 2, 3) for n in (128, 256)
    }
    assert {each.kernel for each in full} == {each.kernel for each in relaxed}
    assert len(full) == len({each.kernel for each in full})
    relaxed = plan_warmup(model, 160, "relax", lambda m, n, k: f"m{m}")
    assert [each.m for each in relaxed if isinstance(each, Problem)] == [
        1,
        2,
        4,
        8,
        16,
        32,
        64,
        128,
        160,
    ]


def test_kernels_are_those_of_the_settings_that_calls_will_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Weights that are read early choose other kernels, where launches are dependent."""
    monkeypatch.setattr(fp8_linear, "is_deep_gemm_supported", lambda: True)
    monkeypatch.setattr(warmup, "support", lambda: SimpleNamespace(supported=True))
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(_C, "get_num_sms", lambda device: 132)
    model = nn.Sequential(Fp8BlockLinear(torch.zeros(3072, 1536)))

    def planned(*, pdl: bool, early: bool) -> set[str]:
        monkeypatch.setattr(_C, "get_pdl", lambda: pdl)
        monkeypatch.setattr(_C, "get_early_weights", lambda: early)
        plan = plan_warmup(model, 64, "relax")
        return {each.kernel for each in plan if isinstance(each, Problem)}

    usual = planned(pdl=True, early=False)
    assert usual == planned(pdl=False, early=True) != set()
    assert usual.isdisjoint(planned(pdl=True, early=True))


def test_each_planned_problem_is_launched_and_reported(
    model: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report names kernels and milliseconds."""
    plan = [Problem(m=1, n=256, k=128, kernel="a"), Problem(m=9, n=256, k=128, kernel="b")]
    monkeypatch.setattr(warmup, "plan_warmup", lambda *_: plan)
    launched: list[Problem] = []
    report = deep_gemm_warmup(model, 16, launched.append)
    assert launched == plan
    assert report.kernels == ("a", "b")
    assert report.milliseconds > 0


def test_nothing_happens_where_there_is_nothing_to_load(
    model: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model without DeepGEMM, a machine without it, a switch: each says so."""

    def never(_problem: Problem) -> None:
        pytest.fail("launched a kernel")

    bf16 = nn.Linear(8, 8)
    assert deep_gemm_warmup(bf16, 64, never).reason == "the model has no DeepGEMM layer"
    assert plan_warmup(model, 64, "relax") == support().reason
    monkeypatch.setenv("VLLM_DEEP_GEMM_WARMUP", "skip")
    assert deep_gemm_warmup(model, 64, never).reason == "VLLM_DEEP_GEMM_WARMUP is skip"


def test_a_layer_made_where_deep_gemm_is_not_supported_is_none_of_its() -> None:
    """A bf16 machine is never warmed up for kernels that it cannot run."""
    layer = Fp8BlockLinear(torch.randn(128, 128))
    layer.uses_deep_gemm = False
    assert plan_warmup(layer, 64, "full", choose) == "the model has no DeepGEMM layer"
