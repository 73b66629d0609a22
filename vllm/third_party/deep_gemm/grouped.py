"""GEMMs whose rows belong to groups, each with a B of its own (experts): FP8 and BF16.

The layout tensors are read on the device alone: a call neither copies nor waits for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import _C
from .scales import Granularity, Recipe, expect_block_scales, mn_major

if TYPE_CHECKING:
    import torch

    Scaled = tuple[torch.Tensor, torch.Tensor]


def m_grouped_fp8_gemm_nt_contiguous(  # noqa: PLR0917 - DeepGEMM's signature
    a: Scaled,
    b: Scaled,
    d: torch.Tensor,
    grouped_layout: torch.Tensor,
    recipe: Recipe | None = None,
    recipe_a: Granularity | None = None,
    recipe_b: Granularity | None = None,
    compiled_dims: str = "nk",
    disable_ue8m0_cast: bool = False,
    use_psum_layout: bool = False,
    ensure_zero_padding: bool = True,
    expected_m_for_psum_layout: int | None = None,
) -> None:
    """Write `(A * scale_a) @ (B[g] * scale_b[g]).T` into each group's rows of `d`.

    Rows of `d` between the groups become zeros, whatever `ensure_zero_padding` says.

    Shapes: A (m, k) e4m3, scale_a (m, ceil(k/128)) f32, B (groups, n, k) e4m3, scale_b (groups,
        ceil(n/128), ceil(k/128)) f32, `d` (m, n) bf16. `grouped_layout` int32 (m): the group of
        each row, below zero between groups; with `use_psum_layout` (groups): one past each group's
        last row. Groups begin at multiples of `get_mk_alignment_for_contiguous_layout()`.
    Raises: as `fp8_gemm_nt`.
    Source: DeepGEMM 2.6.1, `m_grouped_fp8_gemm_nt_contiguous`.
    """
    if recipe is not None or recipe_a is not None or recipe_b is not None:
        expect_block_scales(recipe, recipe_a, recipe_b)
    _C.m_grouped_fp8_gemm_nt_contiguous(
        a[0],
        a[1],
        b[0],
        b[1],
        d,
        grouped_layout,
        mn_major,
        use_psum_layout,
        expected_m_for_psum_layout,
    )


def m_grouped_fp8_gemm_nt_masked(  # noqa: PLR0917 - DeepGEMM's signature
    a: Scaled,
    b: Scaled,
    d: torch.Tensor,
    masked_m: torch.Tensor,
    expected_m: int,
    recipe: Recipe | None = None,
    recipe_a: Granularity | None = None,
    recipe_b: Granularity | None = None,
    compiled_dims: str = "nk",
    disable_ue8m0_cast: bool = False,
) -> None:
    """Write each group's product of its first `masked_m` rows into `d`; other rows stay untouched.

    `expected_m`, the rows that a group is expected to have, steers the choice of a configuration
    and no result.

    Shapes: A (groups, max_m, k) e4m3, scale_a (groups, max_m, ceil(k/128)) f32, B and scale_b as
        `m_grouped_fp8_gemm_nt_contiguous`, `d` (groups, max_m, n) bf16, `masked_m` int32 (groups).
    Raises: as `fp8_gemm_nt`.
    Source: DeepGEMM 2.6.1, `m_grouped_fp8_gemm_nt_masked`.
    """
    if recipe is not None or recipe_a is not None or recipe_b is not None:
        expect_block_scales(recipe, recipe_a, recipe_b)
    _C.m_grouped_fp8_gemm_nt_masked(a[0], a[1], b[0], b[1], d, masked_m, mn_major, expected_m)


def m_grouped_bf16_gemm_nt_contiguous(  # noqa: PLR0917 - DeepGEMM's signature
    a: torch.Tensor,
    b: torch.Tensor,
    d: torch.Tensor,
    grouped_layout: torch.Tensor,
    compiled_dims: str = "nk",
    use_psum_layout: bool = False,
    ensure_zero_padding: bool = True,
    expected_m_for_psum_layout: int | None = None,
) -> None:
    """Write `A @ B[g].T` into each group's rows of `d`; B is dense in k or in n.

    Shapes: A (m, k), B (groups, n, k), `d` (m, n), all bf16; the rest as
        `m_grouped_fp8_gemm_nt_contiguous`. k is a multiple of 8.
    Raises: as `fp8_gemm_nt`.
    Source: DeepGEMM 2.6.1, `m_grouped_bf16_gemm_nt_contiguous`.
    """
    _C.m_grouped_bf16_gemm_nt_contiguous(
        a, b, d, grouped_layout, use_psum_layout, expected_m_for_psum_layout
    )


def m_grouped_bf16_gemm_nn_contiguous(  # noqa: PLR0917 - DeepGEMM's signature
    a: torch.Tensor,
    b: torch.Tensor,
    d: torch.Tensor,
    grouped_layout: torch.Tensor,
    compiled_dims: str = "nk",
    use_psum_layout: bool = False,
    ensure_zero_padding: bool = True,
) -> None:
    """Write what `m_grouped_bf16_gemm_nt_contiguous` does, of B (groups, k, n)."""
    steering = (compiled_dims, use_psum_layout, ensure_zero_padding)
    m_grouped_bf16_gemm_nt_contiguous(a, b.transpose(1, 2), d, grouped_layout, *steering)


def m_grouped_bf16_gemm_nt_masked(  # noqa: PLR0917 - DeepGEMM's signature
    a: torch.Tensor,
    b: torch.Tensor,
    d: torch.Tensor,
    masked_m: torch.Tensor,
    expected_m: int,
    compiled_dims: str = "nk",
) -> None:
    """Write each group's product of its first `masked_m` rows into `d`; other rows stay untouched.

    Shapes: A (groups, max_m, k), B (groups, n, k), `d` (groups, max_m, n), all bf16 and row-major;
        `masked_m` int32 (groups).
    Raises: as `fp8_gemm_nt`.
    Source: DeepGEMM 2.6.1, `m_grouped_bf16_gemm_nt_masked`.
    """
    _C.m_grouped_bf16_gemm_nt_masked(a, b, d, masked_m, expected_m)


fp8_m_grouped_gemm_nt_masked = m_grouped_fp8_gemm_nt_masked
m_grouped_fp8_fp4_gemm_nt_contiguous = m_grouped_fp8_gemm_nt_contiguous
m_grouped_fp8_fp4_gemm_nt_masked = m_grouped_fp8_gemm_nt_masked
