"""The dense FP8 GEMMs: DeepGEMM's signatures, checked recipes, one call into the extension."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import _C
from .scales import Granularity, Recipe, has_row_scales, mn_major

if TYPE_CHECKING:
    import torch

    Scaled = tuple[torch.Tensor, torch.Tensor]


def fp8_gemm_nt(  # noqa: PLR0917 - DeepGEMM's signature
    a: Scaled,
    b: Scaled,
    d: torch.Tensor,
    c: torch.Tensor | None = None,
    recipe: Recipe | None = None,
    recipe_a: Granularity | None = None,
    recipe_b: Granularity | None = None,
    compiled_dims: str = "nk",
    disable_ue8m0_cast: bool = False,
) -> None:
    """Write `c + (A * scale_a) @ (B * scale_b).T` into `d`, on the device's current stream.

    `compiled_dims` steers a JIT and `disable_ue8m0_cast` a cast of Blackwell: both are accepted and
    change nothing.

    Shapes: `a` = (A (m, k) e4m3, scale_a (m, ceil(k/128)) f32), `b` = (B (n, k) e4m3,
        scale_b (ceil(n/128), ceil(k/128)) f32), `d` (m, n) bf16 or f32, `c` of d's type, may be `d`
        itself. k is a multiple of 16; A, B, C and D have dense rows. scale_b may have any strides;
        scale_a is used as it is where a bulk copy can read it, as the results of
        `get_mn_major_tma_aligned_tensor` are, else it is copied into that layout first. With recipe
        (1, 1, 128) scale_b is (n, ceil(k/128)), treated as scale_a is, and `d` is f32.
    Raises: ValueError names the operand that breaks the contract, and nothing is launched;
        RuntimeError says what the machine lacks (driver, sm_90 GPU); TypeError where an operand is
        no tensor.
    Source: DeepGEMM 2.6.1, `fp8_gemm_nt`.
    """
    default = recipe is None and recipe_a is None and recipe_b is None
    if default or not has_row_scales(recipe, recipe_a, recipe_b):
        _C.fp8_gemm_nt(a[0], a[1], b[0], b[1], d, c, mn_major)
    else:
        _C.fp8_gemm_nt_row_scales(a[0], a[1], b[0], b[1], d, c, mn_major)


def fp8_gemm_nn(  # noqa: PLR0917 - DeepGEMM's signature
    a: Scaled,
    b: Scaled,
    d: torch.Tensor,
    c: torch.Tensor | None = None,
    recipe: Recipe | None = None,
    recipe_a: Granularity | None = None,
    recipe_b: Granularity | None = None,
    compiled_dims: str = "nk",
    disable_ue8m0_cast: bool = False,
) -> None:
    """Write what `fp8_gemm_nt` does, of B and scale_b transposed: B (k, n) is a view of k-major
    data.
    """
    recipes = (recipe, recipe_a, recipe_b, compiled_dims, disable_ue8m0_cast)
    fp8_gemm_nt(a, _transposed(b), d, c, *recipes)


def fp8_gemm_tn(  # noqa: PLR0917 - DeepGEMM's signature
    a: Scaled,
    b: Scaled,
    d: torch.Tensor,
    c: torch.Tensor | None = None,
    recipe: Recipe | None = None,
    recipe_a: Granularity | None = None,
    recipe_b: Granularity | None = None,
    compiled_dims: str = "mn",
    disable_ue8m0_cast: bool = False,
) -> None:
    """Write what `fp8_gemm_nt` does, of all four operands transposed: A (k, m) and B (k, n) are
    views of k-major data.
    """
    recipes = (recipe, recipe_a, recipe_b, compiled_dims, disable_ue8m0_cast)
    fp8_gemm_nt(_transposed(a), _transposed(b), d, c, *recipes)


def fp8_gemm_tt(  # noqa: PLR0917 - DeepGEMM's signature
    a: Scaled,
    b: Scaled,
    d: torch.Tensor,
    c: torch.Tensor | None = None,
    recipe: Recipe | None = None,
    recipe_a: Granularity | None = None,
    recipe_b: Granularity | None = None,
    compiled_dims: str = "mn",
    disable_ue8m0_cast: bool = False,
) -> None:
    """Write what `fp8_gemm_nt` does, of A and scale_a transposed: A (k, m) is a view of k-major
    data.
    """
    recipes = (recipe, recipe_a, recipe_b, compiled_dims, disable_ue8m0_cast)
    fp8_gemm_nt(_transposed(a), b, d, c, *recipes)


def _transposed(operand: Scaled) -> Scaled:
    return operand[0].transpose(0, 1), operand[1].transpose(0, 1)


fp8_fp4_gemm_nt = fp8_gemm_nt
fp8_fp4_gemm_nn = fp8_gemm_nn
fp8_fp4_gemm_tn = fp8_gemm_tn
fp8_fp4_gemm_tt = fp8_gemm_tt
