"""FlashAttention's variable-length entry points, by the best of what is installed.

Source: the names, arguments and operator schemas of vLLM's FlashAttention binaries (vllm 0.21.0).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

from vllm.vllm_flash_attn.operators import best_version, operator, probe
from vllm.vllm_flash_attn.varlen_sdpa import Keys, Mask, varlen_attention

logger = logging.getLogger(__name__)


def is_fa_version_supported(fa_version: int) -> bool:
    """Say whether the operator of this version can be called here."""
    return probe(fa_version).state == "usable"


def fa_version_unsupported_reason(fa_version: int) -> str | None:
    """Return why a version cannot be used, None where it can."""
    return probe(fa_version).reason or None


def flash_attn_varlen_func(  # noqa: PLR0917 - FlashAttention's own signature
    q: Tensor,
    k: Tensor,
    v: Tensor,
    max_seqlen_q: int,
    cu_seqlens_q: Tensor,
    max_seqlen_k: int,
    cu_seqlens_k: Tensor | None = None,
    seqused_k: Tensor | None = None,
    q_v: Tensor | None = None,
    dropout_p: float = 0.0,
    softmax_scale: float | None = None,
    causal: bool = False,
    window_size: Sequence[int] | None = None,
    softcap: float = 0.0,
    alibi_slopes: Tensor | None = None,
    deterministic: bool = False,
    return_attn_probs: bool = False,
    block_table: Tensor | None = None,
    return_softmax_lse: bool = False,
    out: Tensor | None = None,
    scheduler_metadata: Tensor | None = None,
    q_descale: Tensor | None = None,
    k_descale: Tensor | None = None,
    v_descale: Tensor | None = None,
    num_splits: int = 0,
    fa_version: int | None = None,
    s_aux: Tensor | None = None,
    cp_world_size: int = 1,
    cp_rank: int = 0,
    cp_tot_seqused_k: Tensor | None = None,
) -> Tensor | tuple[Tensor, Tensor]:
    """Return the attention of packed sequences, with its log-sum-exp where asked for.

    Shapes: q (total queries, heads, head size); k, v (total keys, key heads, head size), or with a
    block_table (pages, page size, key heads, head size); log-sum-exp (heads, total queries).
    """
    _check_keys(cu_seqlens_k, seqused_k, block_table)
    scale = softmax_scale if softmax_scale is not None else q.shape[-1] ** -0.5
    window = (-1, -1) if window_size is None else (int(window_size[0]), int(window_size[1]))
    only_fa3 = {
        "q_v": q_v,
        "scheduler_metadata": scheduler_metadata,
        "q_descale": q_descale,
        "k_descale": k_descale,
        "v_descale": v_descale,
        "s_aux": s_aux,
        "cp_tot_seqused_k": cp_tot_seqused_k,
    }
    version = _version(q, fa_version)
    q, k, v = (part if part.stride(-1) == 1 else part.contiguous() for part in (q, k, v))
    if version == 3:
        _refuse("FA3", {"alibi_slopes": alibi_slopes, "dropout_p": dropout_p})
        result, sums, *_ = operator(3)(
            *(q, k, v, None, None, q_v, out, cu_seqlens_q, cu_seqlens_k, None, None, seqused_k),
            *(max_seqlen_q, max_seqlen_k, block_table, None, None, None, None, None),
            *(q_descale, k_descale, v_descale, scale, causal, *window, softcap, True),
            *(scheduler_metadata, num_splits, None, 0, s_aux),
            *(cp_world_size, cp_rank, cp_tot_seqused_k),
        )
    elif version == 2:
        _refuse("FA2", only_fa3)
        # The operator wants starts even where it goes by seqused_k alone.
        starts = cu_seqlens_k if cu_seqlens_k is not None else torch.empty_like(cu_seqlens_q)
        result, sums, *_ = operator(2)(
            *(q, k, v, out, cu_seqlens_q, starts, seqused_k, None, block_table, alibi_slopes),
            *(max_seqlen_q, max_seqlen_k, dropout_p, scale, False, causal, *window, softcap),
            *(return_softmax_lse and dropout_p > 0, num_splits, None),
        )
    else:
        _refuse("torch's attention", {**only_fa3, "softcap": softcap, "dropout_p": dropout_p})
        if k.dim() == 4 and block_table is None:
            raise ValueError(f"k: expected 3 dimensions without block_table, got {tuple(k.shape)}")
        keys = Keys(k=k, v=v, starts=cu_seqlens_k, lengths=seqused_k, block_table=block_table)
        mask = Mask(causal=causal, window=window, alibi_slopes=alibi_slopes)
        result, sums = varlen_attention(q, cu_seqlens_q, keys, mask, scale)
        result = result if out is None else out.copy_(result)
    return (result, sums) if return_softmax_lse else result


def get_scheduler_metadata(  # noqa: PLR0917 - FlashAttention's own signature
    batch_size: int,
    max_seqlen_q: int,
    max_seqlen_k: int,
    num_heads_q: int,
    num_heads_kv: int,
    headdim: int,
    cache_seqlens: Tensor,
    qkv_dtype: torch.dtype = torch.bfloat16,
    headdim_v: int | None = None,
    cu_seqlens_q: Tensor | None = None,
    cu_seqlens_k_new: Tensor | None = None,
    cache_leftpad: Tensor | None = None,
    page_size: int | None = None,
    max_seqlen_k_new: int = 0,
    causal: bool = False,
    window_size: Sequence[int] = (-1, -1),
    has_softcap: bool = False,
    num_splits: int = 0,
    pack_gqa: bool | None = None,
    sm_margin: int = 0,
) -> Tensor:
    """Return FA3's schedule for a batch. Raises: RuntimeError where FA3 cannot be used."""
    heads = (num_heads_q, num_heads_kv, headdim, headdim if headdim_v is None else headdim_v)
    schedule: Tensor = operator(3, "get_scheduler_metadata")(
        *(batch_size, max_seqlen_q, max_seqlen_k, *heads, qkv_dtype, cache_seqlens.contiguous()),
        *(cu_seqlens_q, None, cu_seqlens_k_new, None, cache_leftpad, page_size),
        *(max_seqlen_k_new, causal, *window_size, has_softcap, num_splits, pack_gqa, sm_margin),
    )
    return schedule


def _version(q: Tensor, asked: int | None) -> int | None:
    """Return the version to call; None, said once, where torch's own attention has to do."""
    if not q.is_cuda:
        return None
    if asked is None:
        asked = best_version()
        if asked is None:
            _say_fallback(3, 2)
        return asked
    if is_fa_version_supported(asked):
        return asked
    _say_fallback(asked)
    return None


@cache
def _say_fallback(*versions: int) -> None:
    reasons = "; ".join(f"FA{version}: {probe(version).reason}" for version in versions)
    logger.warning("attention falls back to torch's scaled_dot_product_attention: %s", reasons)


def _check_keys(starts: Tensor | None, used: Tensor | None, table: Tensor | None) -> None:
    if (starts is None) == (used is None):
        found = "neither" if starts is None else "both"
        raise ValueError(f"cu_seqlens_k, seqused_k: expected one of the two, found {found}")
    if table is not None and used is None:
        raise ValueError("block_table: expected seqused_k with it, found none")


def _refuse(by: str, arguments: dict[str, Any]) -> None:
    """Refuse arguments that an implementation would ignore."""
    given = [n for n, value in arguments.items() if isinstance(value, Tensor) or value]
    if given:
        raise NotImplementedError(f"{', '.join(given)}: {by} has no such argument")
