"""`deep_gemm.utils.layout`: where SGLang looks for the layouts of scale factors."""

from __future__ import annotations

from ..layout import (
    get_mn_major_tma_aligned_tensor,
    get_tma_aligned_size,
    transform_sf_into_required_layout,
)

__all__ = [
    "get_mn_major_tma_aligned_tensor",
    "get_tma_aligned_size",
    "transform_sf_into_required_layout",
]
