"""`deep_gemm.utils`: the arithmetic and the casts that DeepGEMM's callers and tests import by this
name.

torch is imported by the functions that need it, so that the package imports without.
"""

from __future__ import annotations

from ..layout import get_mn_major_tma_aligned_tensor, get_tma_aligned_size
from .fp4 import per_token_cast_to_fp4, transpose_packed_fp4
from .math import (
    align,
    ceil_div,
    ceil_to_ue8m0,
    per_block_cast_to_fp8,
    per_channel_cast_to_fp8,
    per_custom_dims_cast_to_fp8,
    per_token_cast_to_fp8,
)

# Settings of the package that DeepGEMM's callers look for here too, two of them by older names.
_SETTINGS = {
    "get_k_alignment_for_contiguous_layout": "get_mk_alignment_for_contiguous_layout",
    "get_m_alignment_for_contiguous_layout": "get_mk_alignment_for_contiguous_layout",
    "get_mk_alignment_for_contiguous_layout": "get_mk_alignment_for_contiguous_layout",
    "get_theoretical_mk_alignment_for_contiguous_layout": (
        "get_theoretical_mk_alignment_for_contiguous_layout"
    ),
    "set_mk_alignment_for_contiguous_layout": "set_mk_alignment_for_contiguous_layout",
}

__all__ = [
    "align",
    "ceil_div",
    "ceil_to_ue8m0",
    "get_mn_major_tma_aligned_tensor",
    "get_tma_aligned_size",
    "per_block_cast_to_fp8",
    "per_channel_cast_to_fp8",
    "per_custom_dims_cast_to_fp8",
    "per_token_cast_to_fp4",
    "per_token_cast_to_fp8",
    "transpose_packed_fp4",
]


def __getattr__(name: str) -> object:
    """Return a setting of the package; the extension is loaded no sooner."""
    if name not in _SETTINGS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .. import settings

    return getattr(settings, _SETTINGS[name])
