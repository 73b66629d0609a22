"""The FP8 layer: its quantisation and its two implementations agree."""

from __future__ import annotations

import pytest
import torch

from vllm.model_executor.layers import fp8_linear
from vllm.model_executor.layers.fp8_linear import (
    Fp8BlockLinear,
    quantize_blocks,
    quantize_tokens,
)


def relative(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((found.double() - wanted.double()).norm() / wanted.double().norm())


def test_quantised_values_come_back_within_e4m3_s_steps() -> None:
    """Per token and 128 of k, per block of 128 by 128; an empty block is no division by zero."""
    x = torch.randn(5, 256)
    values, scale = quantize_tokens(x)
    assert scale.shape == (5, 2)
    assert relative(values.float() * scale.repeat_interleave(128, 1), x) < 0.04
    weight = torch.randn(256, 128)
    weight[:128] = 0
    values, scale = quantize_blocks(weight)
    assert scale.shape == (2, 1)
    assert relative(values.float() * scale.repeat_interleave(128, 0), weight) < 0.04


def test_the_native_implementation_is_the_dequantised_product() -> None:
    """Within bfloat16's rounding and the weights' quantisation."""
    weight, x = torch.randn(256, 128), torch.randn(7, 128).bfloat16()
    found = Fp8BlockLinear(weight).forward_native(x)
    assert found.dtype == torch.bfloat16
    assert relative(found, x.double() @ weight.double().T) < 0.05


def test_the_kernel_gets_quantised_operands_of_its_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    """And its result is the layer's."""

    def kernel(a: tuple[torch.Tensor, ...], b: tuple[torch.Tensor, ...], d: torch.Tensor) -> None:
        assert (a[0].shape, a[1].shape, b[0].shape, b[1].shape) == (
            (7, 256), (7, 2), (128, 256), (1, 2),
        )  # fmt: skip
        left = a[0].float() * a[1].repeat_interleave(128, 1)
        right = b[0].float() * b[1].repeat_interleave(128, 1)
        d.copy_(left @ right.T)

    monkeypatch.setattr(fp8_linear, "is_deep_gemm_supported", lambda: True)
    monkeypatch.setattr(fp8_linear, "fp8_gemm_nt", kernel)
    layer, x = Fp8BlockLinear(torch.randn(128, 256)), torch.randn(7, 256).bfloat16()
    assert relative(layer.forward_cuda(x), layer.forward_native(x)) < 0.05


def test_weights_that_are_no_whole_blocks_are_refused() -> None:
    """Their scales would be of other blocks."""
    with pytest.raises(ValueError, match=r"weight: expected multiples of 128, got \(100, 128\)"):
        Fp8BlockLinear(torch.randn(100, 128))
