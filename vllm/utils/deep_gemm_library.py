"""Which DeepGEMM is here: whether its kernels run, and its functions by the names vLLM calls."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

from vllm import envs
from vllm.platforms import current_platform

logger = logging.getLogger(__name__)

_FACE = "vllm.third_party.deep_gemm"
_CAPABILITY = (9, 0)
# What vLLM calls, and the name under which the library serves it.
FUNCTIONS: Mapping[str, str] = {
    "fp8_gemm_nt": "fp8_gemm_nt",
    "m_grouped_fp8_gemm_nt_contiguous": "m_grouped_fp8_gemm_nt_contiguous",
    "fp8_m_grouped_gemm_nt_masked": "m_grouped_fp8_gemm_nt_masked",
    "fp8_einsum": "fp8_einsum",
    "fp8_mqa_logits": "fp8_mqa_logits",
    "fp8_paged_mqa_logits": "fp8_paged_mqa_logits",
    "get_paged_mqa_logits_metadata": "get_paged_mqa_logits_metadata",
    "get_mn_major_tma_aligned_tensor": "get_mn_major_tma_aligned_tensor",
    "get_mk_alignment_for_contiguous_layout": "get_mk_alignment_for_contiguous_layout",
    "transform_sf_into_required_layout": "transform_sf_into_required_layout",
    "get_num_sms": "get_num_sms",
    "set_num_sms": "set_num_sms",
    "set_pdl": "set_pdl",
}


class DeepGemmUnavailableError(RuntimeError):
    """A DeepGEMM function was called that this installation or machine does not serve; the message
    says why.
    """


@dataclass(frozen=True, kw_only=True)
class Support:
    """Whether kernels can run here, and why not."""

    supported: bool
    reason: str


def is_deep_gemm_supported() -> bool:
    """Whether DeepGEMM is switched on, built, and has its kind of GPU."""
    return support().supported


def support() -> Support:
    """Return whether DeepGEMM's kernels run here, and the reason, for people."""
    if not envs.VLLM_USE_DEEP_GEMM:
        return Support(supported=False, reason="VLLM_USE_DEEP_GEMM switches it off")
    if not current_platform.is_cuda():
        return Support(supported=False, reason=f"the platform is a CPU: {current_platform.reason}")
    if current_platform.capability != _CAPABILITY:
        reason = f"expected a GPU of capability 9.0, found {current_platform.capability}"
        return Support(supported=False, reason=reason)
    face = _face()
    if isinstance(face, str):
        return Support(supported=False, reason=face)
    return Support(supported=True, reason="built, switched on, and a Hopper GPU is there")


def capabilities() -> dict[str, bool]:
    """Return for each function that vLLM calls whether the installed library has it."""
    face = _face()
    return {
        name: not isinstance(face, str) and hasattr(face, served)
        for name, served in FUNCTIONS.items()
    }


@cache
def _face() -> ModuleType | str:
    """Import the library; return why that fails, said once, where it does."""
    reason = "its extension is not built for this Python"
    if _is_built():
        try:
            return importlib.import_module(_FACE)
        except (ImportError, OSError) as error:
            reason = f"its extension is broken ({error})"
    logger.info("DeepGEMM: %s", reason)
    return reason


def _is_built() -> bool:
    """Whether an extension that this Python can import lies there; looking for it imports
    nothing.
    """
    package = importlib.util.find_spec(_FACE)
    folders = package.submodule_search_locations if package is not None else None
    found = importlib.machinery.PathFinder.find_spec("_C", folders) if folders else None
    return found is not None and found.origin is not None


def function(name: str) -> Any:
    """Return the library's function behind one of FUNCTIONS.

    Raises: DeepGemmUnavailableError where the library is absent or older than the function.
    """
    face = _face()
    if isinstance(face, str):
        raise DeepGemmUnavailableError(f"{name}: {face}; try nox -s build_deepgemm")
    found = getattr(face, FUNCTIONS[name], None)
    if found is None:
        served = ", ".join(sorted(each for each, there in capabilities().items() if there))
        raise DeepGemmUnavailableError(f"{name}: not in the installed library, which has {served}")
    return found
