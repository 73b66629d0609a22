"""The rotation itself: pairs of a head's elements turned by a position's angles, on every platform.

It knows layouts and implementations; angles come from `frequencies.py`.
"""

from __future__ import annotations

import torch

from vllm.model_executor.custom_op import CustomOp
from vllm.platforms import current_platform
from vllm.utils.optional_kernels import Probe, probe


def rotate(
    x: torch.Tensor,
    cos: torch.Tensor,
    sin: torch.Tensor,
    *,
    is_neox_style: bool = True,
    enable_fp32_compute: bool = False,
) -> torch.Tensor:
    """Return x with its first elements of each head rotated, the rest as they are.

    NeoX pairs element i of the first half with element i of the second, GPT-J each even with the
    next odd one.

    Shapes: x ([batch,] seq, heads, head_size), cos and sin (seq, rotary / 2) with rotary <=
        head_size -> x's shape.
    Raises: ValueError names the operand that does not fit.
    """
    _check(x, cos, sin)
    dtype = x.dtype
    half = cos.shape[-1]
    rotated, rest = x[..., : 2 * half], x[..., 2 * half :]
    if enable_fp32_compute:
        rotated, cos, sin = rotated.float(), cos.float(), sin.float()
    else:
        cos, sin = cos.to(dtype), sin.to(dtype)
    cos, sin = cos.unsqueeze(-2), sin.unsqueeze(-2)  # (seq, 1, rotary / 2), for all heads
    if is_neox_style:
        first, second = rotated[..., :half], rotated[..., half:]
    else:
        first, second = rotated[..., 0::2], rotated[..., 1::2]
    turned = (first * cos - second * sin, second * cos + first * sin)
    result = torch.cat(turned, dim=-1) if is_neox_style else torch.stack(turned, dim=-1).flatten(-2)
    result = result.to(dtype)
    return torch.cat((result, rest), dim=-1) if rest.shape[-1] else result


def _check(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> None:
    if x.dim() not in (3, 4):
        raise ValueError(f"x: expected ([batch,] seq, heads, head_size), got {tuple(x.shape)}")
    if cos.shape != sin.shape or cos.dim() != 2:
        shapes = f"{tuple(cos.shape)} and {tuple(sin.shape)}"
        raise ValueError(f"cos and sin: expected one shape (seq, rotary / 2), got {shapes}")
    if cos.shape[0] != x.shape[-3] or 2 * cos.shape[1] > x.shape[-1]:
        expected = f"({x.shape[-3]}, at most {x.shape[-1] // 2})"
        raise ValueError(
            f"cos and sin: expected {expected} for x {tuple(x.shape)}, got {tuple(cos.shape)}"
        )


def probe_flash_attn() -> Probe | None:
    """Look for flash_attn's rotary kernel, where there is a platform that it could serve; None on a
    CPU.
    """
    if current_platform.is_cpu():
        return None
    return probe("flash_attn.ops.triton.rotary", "apply_rotary", ("x", "cos", "sin", "interleaved"))


@CustomOp.register("apply_rotary_emb")
class ApplyRotaryEmb(CustomOp):
    """Rotate heads by given angles, with flash_attn's kernel where one serves, else natively.

    With `enforce_enable` the platform's implementation runs whatever VLLM_CUSTOM_OPS says.

    Shapes: x ([batch,] seq, heads, head_size), cos and sin (seq, rotary / 2) -> x's shape.
    """

    def __init__(
        self,
        enforce_enable: bool = False,
        is_neox_style: bool = True,
        enable_fp32_compute: bool = False,
    ) -> None:
        super().__init__(enforce_enable=enforce_enable)
        self.is_neox_style = is_neox_style
        self.enable_fp32_compute = enable_fp32_compute
        found = probe_flash_attn()
        self.apply_rotary_emb_flash_attn = found.call if found is not None else None

    def forward_native(self, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        """Rotate with plain torch operators."""
        return rotate(
            x,
            cos,
            sin,
            is_neox_style=self.is_neox_style,
            enable_fp32_compute=self.enable_fp32_compute,
        )

    def forward_cuda(self, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        """Rotate with flash_attn's kernel, which wants a batch and its angles in x's type."""
        kernel = self.apply_rotary_emb_flash_attn
        if kernel is None:
            return self.forward_native(x, cos, sin)
        _check(x, cos, sin)
        dtype = x.dtype
        if self.enable_fp32_compute:
            x = x.float()
        batched = x if x.dim() == 4 else x.unsqueeze(0)
        angles = (cos.to(x.dtype), sin.to(x.dtype))
        result: torch.Tensor = kernel(batched, *angles, interleaved=not self.is_neox_style)
        return result.reshape(x.shape).to(dtype)

    def extra_repr(self) -> str:
        """Describe the operator as torch prints it."""
        return f"is_neox_style={self.is_neox_style}, enable_fp32_compute={self.enable_fp32_compute}"
