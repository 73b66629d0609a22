"""GEMMs whose groups divide k (weight gradients): `d[g] = c[g] + A[g] @ B[g].T` in f32.

The groups' extents are known on the host, so one call launches the dense kernel once a group.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from . import _C
from .scales import ROWS, Recipe, mn_major

if TYPE_CHECKING:
    import torch

    Scaled = tuple[torch.Tensor, torch.Tensor]


def k_grouped_fp8_gemm_nt_contiguous(  # noqa: PLR0917 - DeepGEMM's signature
    a: Scaled,
    b: Scaled,
    d: torch.Tensor,
    ks: Sequence[int],
    ks_tensor: torch.Tensor | None = None,
    c: torch.Tensor | None = None,
    recipe: Recipe = ROWS,
    compiled_dims: str = "mn",
) -> None:
    """Write each group's `c[g] + (A[g] * scale_a[g]) @ (B[g] * scale_b[g]).T` into `d[g]`.

    `ks_tensor`, the same numbers on the device, is not read.

    Shapes: A (m * sum of ks) e4m3, the groups' (m, k) behind each other, or (m, sum of ks); scale_a
        (m, sum of ks / 128) f32; B and scale_b the same of n; `d` and `c` (groups, m, n) f32. Each
        k is a multiple of 128; one of 0 gives `c` or 0.
    Raises: as `fp8_gemm_nt`, before any launch.
    Source: DeepGEMM 2.6.1, `k_grouped_fp8_gemm_nt_contiguous`.
    """
    _expect_rows(recipe)
    name = "k_grouped_fp8_gemm_nt_contiguous"
    _C.fp8_gemm_nt_k_grouped(name, ks, a[0], a[1], b[0], b[1], d, c, mn_major)


def k_grouped_fp8_gemm_tn_contiguous(  # noqa: PLR0917 - DeepGEMM's signature
    a: Scaled,
    b: Scaled,
    d: torch.Tensor,
    ks: Sequence[int],
    ks_tensor: torch.Tensor | None = None,
    c: torch.Tensor | None = None,
    recipe: Recipe = ROWS,
    compiled_dims: str = "mn",
) -> None:
    """Write what `k_grouped_fp8_gemm_nt_contiguous` does, of operands that lie k by k.

    FP8 on Hopper is k-major, so A and B are copied into that order first.

    Shapes: A (sum of ks, m) e4m3, scale_a (sum of ks / 128, m) f32; B and scale_b the same of n.
    Source: DeepGEMM 2.6.1, `k_grouped_fp8_gemm_tn_contiguous`.
    """
    _expect_rows(recipe)
    name = "k_grouped_fp8_gemm_tn_contiguous"
    k_major = (_k_major(a[0]), a[1].transpose(0, 1))
    k_major_b = (_k_major(b[0]), b[1].transpose(0, 1))
    _C.fp8_gemm_nt_k_grouped(name, ks, *k_major, *k_major_b, d, c, mn_major)


def k_grouped_bf16_gemm_tn_contiguous(  # noqa: PLR0917 - DeepGEMM's signature
    a: torch.Tensor,
    b: torch.Tensor,
    d: torch.Tensor,
    ks: Sequence[int],
    ks_tensor: torch.Tensor | None = None,
    c: torch.Tensor | None = None,
    compiled_dims: str = "mn",
) -> None:
    """Write each group's `c[g] + A[g].T @ B[g]` into `d[g]`.

    Shapes: A (sum of ks, m) bf16, B (sum of ks, n) bf16, `d` and `c` (groups, m, n) f32. Each k is
        a multiple of 8; one of 0 gives `c` or 0.
    Raises: as `fp8_gemm_nt`, before any launch.
    Source: DeepGEMM 2.6.1, `k_grouped_bf16_gemm_tn_contiguous`.
    """
    name = "k_grouped_bf16_gemm_tn_contiguous"
    _C.bf16_gemm_nt_k_grouped(name, ks, a.transpose(0, 1), b.transpose(0, 1), d, c)


def _k_major(values: torch.Tensor) -> torch.Tensor:
    return values.transpose(0, 1).contiguous()


def _expect_rows(recipe: Recipe) -> None:
    if tuple(recipe) != ROWS:
        raise ValueError(f"recipe: expected {ROWS}, got {tuple(recipe)}")
