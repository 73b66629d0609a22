"""DeepGEMM as models call it: wrappers under vLLM's names, each a torch operator that can be traced
and captured.

The kernels are those of `vllm.third_party.deep_gemm`; which of them it has is asked, never assumed.
Where one is absent the wrapper is there all the same, and says at its call what is missing.
"""

from __future__ import annotations

from typing import Any

import torch

from vllm.utils import deep_gemm_operators as _operators  # noqa: F401  registers the operators
from vllm.utils.deep_gemm_library import (
    FUNCTIONS,
    DeepGemmUnavailableError,
    Support,
    capabilities,
    function,
    is_deep_gemm_supported,
    support,
)

__all__ = [
    "FUNCTIONS",
    "DeepGemmUnavailableError",
    "Support",
    "capabilities",
    "fp8_einsum",
    "fp8_gemm_nt",
    "fp8_m_grouped_gemm_nt_masked",
    "fp8_mqa_logits",
    "fp8_paged_mqa_logits",
    "function",
    "is_deep_gemm_supported",
    "m_grouped_fp8_gemm_nt_contiguous",
    "support",
]

Scaled = tuple[torch.Tensor, torch.Tensor]  # e4m3 values and f32 scales


def fp8_gemm_nt(
    a: Scaled,
    b: Scaled,
    d: torch.Tensor,
    c: torch.Tensor | None = None,
    *,
    recipe: tuple[int, int, int] | None = None,
    **_steering: Any,
) -> None:
    """Write `c + (A * scale_a) @ (B * scale_b).T` into `d`.

    Shapes: a = ((m, k) e4m3, (m, k / 128) f32), b = ((n, k) e4m3, (n / 128, k / 128) f32), d (m, n)
        bf16 or f32; with recipe (1, 1, 128) b's scales are (n, k / 128) and d is f32.
    Raises: DeepGemmUnavailableError, or what the library says of the operands.
    """
    torch.ops.vllm.deep_gemm_fp8_gemm_nt(*a, *b, d, c, recipe)


def m_grouped_fp8_gemm_nt_contiguous(
    a: Scaled,
    b: Scaled,
    d: torch.Tensor,
    grouped_layout: torch.Tensor,
    *,
    use_psum_layout: bool = False,
    **_steering: Any,
) -> None:
    """Write each row's product with the matrix of its group into `d`.

    Shapes: A (m, k), B (groups, n, k), d (m, n) bf16, grouped_layout (m,) int32, -1 for padding;
        with `use_psum_layout` (groups,), one past each group's last row.
    Raises: DeepGemmUnavailableError, or what the library says of the operands.
    """
    torch.ops.vllm.deep_gemm_grouped_contiguous(*a, *b, d, grouped_layout, use_psum_layout)


def fp8_m_grouped_gemm_nt_masked(
    a: Scaled, b: Scaled, d: torch.Tensor, masked_m: torch.Tensor, expected_m: int, **_steering: Any
) -> None:
    """Write each group's product of its first `masked_m` rows into `d`.

    Shapes: A (groups, max_m, k), B (groups, n, k), d (groups, max_m, n) bf16, masked_m (groups,)
        int32.
    Raises: DeepGemmUnavailableError, or what the library says of the operands.
    """
    torch.ops.vllm.deep_gemm_grouped_masked(*a, *b, d, masked_m, expected_m)


def fp8_einsum(equation: str, a: Scaled, b: Scaled, d: torch.Tensor) -> None:
    """Write a product of scaled tensors, such as 'bhr,hdr->bhd', into `d`.

    Raises: DeepGemmUnavailableError, or what the library says of the operands.
    """
    torch.ops.vllm.deep_gemm_fp8_einsum(equation, *a, *b, d)


def fp8_mqa_logits(
    q: torch.Tensor,
    kv: Scaled,
    weights: torch.Tensor,
    cu_seqlen_ks: torch.Tensor,
    cu_seqlen_ke: torch.Tensor,
    clean_logits: bool = True,
) -> torch.Tensor:
    """Return the indexer's scores of every query against its keys.

    Shapes: q (seq, heads, dim) e4m3, kv = ((keys, dim) e4m3, (keys,) f32), weights (seq, heads) ->
        (seq, keys) f32.
    Raises: DeepGemmUnavailableError, or what the library says of the operands.
    """
    scores: torch.Tensor = torch.ops.vllm.deep_gemm_fp8_mqa_logits(
        q, *kv, weights, cu_seqlen_ks, cu_seqlen_ke, clean_logits
    )
    return scores


def fp8_paged_mqa_logits(
    q: torch.Tensor,
    kv_cache: torch.Tensor,
    weights: torch.Tensor,
    context_lens: torch.Tensor,
    block_tables: torch.Tensor,
    schedule_metadata: torch.Tensor,
    max_model_len: int,
    clean_logits: bool = False,
) -> torch.Tensor:
    """Return the indexer's scores against keys in a paged cache.

    Shapes: q (batch, next, heads, dim) e4m3 -> (batch * next, max_model_len) f32.
    Raises: DeepGemmUnavailableError, or what the library says of the operands.
    """
    cache = (kv_cache, weights, context_lens, block_tables, schedule_metadata)
    scores: torch.Tensor = torch.ops.vllm.deep_gemm_fp8_paged_mqa_logits(
        q, *cache, max_model_len, clean_logits
    )
    return scores


def __getattr__(name: str) -> Any:
    """Return the host-side functions of FUNCTIONS (layouts, settings, metadata) as the library has
    them.
    """
    if name in FUNCTIONS:
        return function(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
