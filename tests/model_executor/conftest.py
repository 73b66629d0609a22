"""These tests hold tensors on the CPU, so the platform is one, whatever the machine has."""

from __future__ import annotations

import pytest

from vllm.platforms import Platform

CPU = Platform(name="cpu", reason="test")


@pytest.fixture(autouse=True)
def cpu_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let operators and DeepGEMM take the machine for a CPU."""
    for module in (
        "vllm.model_executor.custom_op",
        "vllm.model_executor.layers.rotary_embedding.common",
        "vllm.utils.deep_gemm_library",
    ):
        monkeypatch.setattr(f"{module}.current_platform", CPU)
