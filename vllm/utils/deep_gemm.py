"""DeepGEMM as models call it: wrappers under vLLM's names, each a torch operator that can be traced
and captured.

The kernels are those of `vllm.third_party.deep_gemm`; which of them it has is asked, never assumed.
Where one is absent the wrapper is there all the same, and says at its call what is missing.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

import torch

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


from vllm.utils import deep_gemm_operators as _operators  # noqa: E402, F401  registers the operators
