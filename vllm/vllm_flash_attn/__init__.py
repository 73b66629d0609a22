"""FlashAttention for variable lengths: precompiled FA2 and FA3 operators where they are, else
torch's.

Source-controlled: an install of precompiled binaries brings `_vllm_fa2_C` and `_vllm_fa3_C` beside
it and leaves these files alone.
"""

from vllm.vllm_flash_attn.flash_attn_interface import (
    fa_version_unsupported_reason,
    flash_attn_varlen_func,
    get_scheduler_metadata,
    is_fa_version_supported,
)

__all__ = [
    "fa_version_unsupported_reason",
    "flash_attn_varlen_func",
    "get_scheduler_metadata",
    "is_fa_version_supported",
]
