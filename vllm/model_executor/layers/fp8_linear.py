"""A linear layer with block-quantised FP8 weights: DeepGEMM's kernel where it is served, plain
torch elsewhere.

It knows the quantisation (one scale per 128x128 block of weights, one per token and 128 of k), not
the kernel.
"""

from __future__ import annotations

import torch

from vllm.model_executor.custom_op import CustomOp
from vllm.utils.deep_gemm import fp8_gemm_nt, is_deep_gemm_supported

BLOCK = 128
E4M3 = torch.float8_e4m3fn
_LARGEST = 448.0  # of e4m3
_SMALLEST_SCALE = 1e-10


def quantize_tokens(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Quantise activations, one scale per token and 128 of k.

    Shapes: (m, k) with k a multiple of 128 -> (m, k) e4m3 and (m, k / 128) f32.
    """
    groups = x.float().unflatten(-1, (-1, BLOCK))
    scale = groups.abs().amax(-1, keepdim=True).clamp(min=_SMALLEST_SCALE) / _LARGEST
    return (groups / scale).to(E4M3).flatten(-2), scale.squeeze(-1)


def quantize_blocks(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Quantise weights, one scale per 128x128 block.

    Shapes: (n, k), multiples of 128 -> (n, k) e4m3 and (n / 128, k / 128) f32.
    """
    blocks = weight.float().unflatten(0, (-1, BLOCK)).unflatten(-1, (-1, BLOCK))
    scale = blocks.abs().amax((1, 3), keepdim=True).clamp(min=_SMALLEST_SCALE) / _LARGEST
    quantized = (blocks / scale).to(E4M3).reshape(weight.shape)
    return quantized, scale.squeeze(3).squeeze(1)


@CustomOp.register("fp8_block_linear")
class Fp8BlockLinear(CustomOp):
    """Multiply by FP8 weights.

    Shapes: x (tokens, in_features) bf16 -> (tokens, out_features) of x's type. Both features are
        multiples of 128.
    """

    weight: torch.Tensor
    weight_scale: torch.Tensor

    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        if weight.dim() != 2 or weight.shape[0] % BLOCK or weight.shape[1] % BLOCK:
            raise ValueError(f"weight: expected multiples of {BLOCK}, got {tuple(weight.shape)}")
        quantized, scale = quantize_blocks(weight)
        self.register_buffer("weight", quantized)
        self.register_buffer("weight_scale", scale)
        self.uses_deep_gemm = is_deep_gemm_supported()

    def forward_native(self, x: torch.Tensor) -> torch.Tensor:
        """Dequantise the weights and multiply in x's type."""
        scale = self.weight_scale.repeat_interleave(BLOCK, 0).repeat_interleave(BLOCK, 1)
        return torch.nn.functional.linear(x, (self.weight.float() * scale).to(x.dtype))

    def forward_cuda(self, x: torch.Tensor) -> torch.Tensor:
        """Quantise x and multiply with DeepGEMM."""
        if not self.uses_deep_gemm:
            return self.forward_native(x)
        result = x.new_empty((x.shape[0], self.weight.shape[0]))
        fp8_gemm_nt(quantize_tokens(x), (self.weight, self.weight_scale), result)
        return result

    def extra_repr(self) -> str:
        """Describe the layer as torch prints it."""
        served = "deep_gemm" if self.uses_deep_gemm else "native"
        return f"features={self.weight.shape[1]}->{self.weight.shape[0]}, {served}"
