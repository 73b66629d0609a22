"""The GEMM functions: DeepGEMM's signatures, checked recipes, one call into the extension."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import _C
from .layout import copy_mn_major

if TYPE_CHECKING:
    import torch


def fp8_gemm_nt(  # noqa: PLR0917 - DeepGEMM's signature
    a: tuple[torch.Tensor, torch.Tensor],
    b: tuple[torch.Tensor, torch.Tensor],
    d: torch.Tensor,
    c: torch.Tensor | None = None,
    recipe: tuple[int, int, int] | None = None,
    recipe_a: tuple[int, int] | None = None,
    recipe_b: tuple[int, int] | None = None,
    compiled_dims: str = "nk",
    disable_ue8m0_cast: bool = False,
) -> None:
    """Write `c + (A * scale_a) @ (B * scale_b).T` into `d`, on the device's current stream.

    `compiled_dims` steers a JIT and `disable_ue8m0_cast` a cast of Blackwell: both are accepted and
    change nothing.

    Shapes: `a` = (A (m, k) e4m3, scale_a (m, ceil(k/128)) f32), `b` = (B (n, k) e4m3,
        scale_b (ceil(n/128), ceil(k/128)) f32), `d` (m, n) bf16 or f32, `c` of d's type, may be `d`
        itself. k is a multiple of 16; A, B, C and D have dense rows. scale_b may have any strides;
        scale_a is used as it is where `get_mn_major_tma_aligned_tensor` would return it, else it
        is copied into that layout first.
    Raises: ValueError names the operand that breaks the contract, and nothing is launched;
        RuntimeError says what the machine lacks (driver, sm_90 GPU); TypeError where an operand is
        no tensor.
    Source: DeepGEMM 2.6.1, `fp8_gemm_nt`.
    """
    if recipe is not None or recipe_a is not None or recipe_b is not None:
        _check_recipes(recipe, recipe_a, recipe_b)
    values, scale = a
    # Tensors of other libraries have no stride(): theirs must be MN-major already.
    stride = getattr(scale, "stride", None)
    if stride is not None and scale.ndim == 2 and not _is_mn_major(scale, *stride()):
        scale = copy_mn_major(scale)
    _C.fp8_gemm_nt(values, scale, b[0], b[1], d, c)


def _is_mn_major(scale: torch.Tensor, row_stride: int, column_stride: int) -> bool:
    return row_stride == 1 and column_stride % 4 == 0 and scale.data_ptr() % 16 == 0


def _check_recipes(
    recipe: tuple[int, int, int] | None,
    recipe_a: tuple[int, int] | None,
    recipe_b: tuple[int, int] | None,
) -> None:
    expected = (("recipe", recipe, (1, 128, 128)), ("recipe_a", recipe_a, (1, 128)))
    for name, given, served in (*expected, ("recipe_b", recipe_b, (128, 128))):
        if given is not None and tuple(given) != served:
            raise ValueError(f"{name}: expected {served} or None, got {tuple(given)}")
