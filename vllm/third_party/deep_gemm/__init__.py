"""DeepGEMM for Hopper, compiled ahead of time: the Python face of `csrc/deep_gemm`, under
DeepGEMM's names.

It knows the interface of DeepGEMM 2.6.1 and what of it this library serves. Importing it imports no
torch and touches no GPU; a kernel call on a machine without an sm_90 GPU says what it needs.
"""

from __future__ import annotations

try:
    from . import _C as _C
except ImportError as error:
    raise ImportError(
        f"{__name__}: expected an extension for this interpreter in {__path__[0]}, found none that "
        f"loads ({error}); to see why: python {__path__[0]}/doctor.py"
    ) from error

from .gemm import fp8_gemm_nt
from .layout import (
    get_mn_major_tma_aligned_tensor,
    get_tma_aligned_size,
    transform_sf_into_required_layout,
)
from .settings import get_num_sms, get_pdl, set_num_sms, set_pdl

__all__ = [
    "fp8_gemm_nt",
    "get_mn_major_tma_aligned_tensor",
    "get_num_sms",
    "get_pdl",
    "get_tma_aligned_size",
    "set_num_sms",
    "set_pdl",
    "transform_sf_into_required_layout",
]
