"""DeepGEMM's kernels as torch operators: schemas, and fakes that know the results' shapes for
tracing.

Operators write into a tensor that the caller gives, so a CUDA graph captures a launch and no
allocation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from vllm.utils.deep_gemm_library import function

_SCALED_PAIR = "Tensor a, Tensor scale_a, Tensor b, Tensor scale_b, Tensor(x!) d"

_library = torch.library.Library("vllm", "FRAGMENT")


def _gemm(
    a: Any, scale_a: Any, b: Any, scale_b: Any, d: Any, c: Any = None, recipe: Any = None
) -> None:
    function("fp8_gemm_nt")((a, scale_a), (b, scale_b), d, c, recipe)


def _grouped_contiguous(
    a: Any, scale_a: Any, b: Any, scale_b: Any, d: Any, layout: Any, psum: bool = False
) -> None:
    call = function("m_grouped_fp8_gemm_nt_contiguous")
    call((a, scale_a), (b, scale_b), d, layout, use_psum_layout=psum)


def _grouped_masked(
    a: Any, scale_a: Any, b: Any, scale_b: Any, d: Any, masked_m: Any, expected_m: int
) -> None:
    function("fp8_m_grouped_gemm_nt_masked")((a, scale_a), (b, scale_b), d, masked_m, expected_m)


def _einsum(equation: str, a: Any, scale_a: Any, b: Any, scale_b: Any, d: Any) -> None:
    function("fp8_einsum")(equation, (a, scale_a), (b, scale_b), d)


def _mqa_logits(
    q: Any, k: Any, scale: Any, weights: Any, start: Any, end: Any, clean: bool
) -> torch.Tensor:
    scores: torch.Tensor = function("fp8_mqa_logits")(q, (k, scale), weights, start, end, clean)
    return scores


def _paged_mqa_logits(
    q: Any,
    cache: Any,
    weights: Any,
    lengths: Any,
    table: Any,
    schedule: Any,
    longest: int,
    clean: bool,
) -> torch.Tensor:
    call = function("fp8_paged_mqa_logits")
    scores: torch.Tensor = call(q, cache, weights, lengths, table, schedule, longest, clean)
    return scores


def _writes_only(*_operands: Any) -> None:
    """Stand for an operator that returns nothing."""


def _fake_gemm(a: Any, _scale_a: Any, b: Any, _scale_b: Any, d: Any, *_rest: Any) -> None:
    torch._check(a.shape[-1] == b.shape[-1], lambda: f"k: a {a.shape} and b {b.shape} differ")
    torch._check(d.shape[-1] == b.shape[-2], lambda: f"n: d {d.shape} and b {b.shape} differ")


def _fake_mqa_logits(q: Any, k: Any, *_rest: Any) -> torch.Tensor:
    scores: torch.Tensor = q.new_empty((q.shape[0], k.shape[0]), dtype=torch.float32)
    return scores


def _fake_paged_mqa_logits(q: Any, *rest: Any) -> torch.Tensor:
    scores: torch.Tensor = q.new_empty((q.shape[0] * q.shape[1], rest[5]), dtype=torch.float32)
    return scores


def _register(name: str, schema: str, call: Callable[..., Any], fake: Callable[..., Any]) -> None:
    _library.define(f"{name}{schema}")
    _library.impl(name, call, "CompositeExplicitAutograd")
    torch.library.register_fake(f"vllm::{name}", fake, lib=_library)


_register(
    "deep_gemm_fp8_gemm_nt",
    f"({_SCALED_PAIR}, Tensor? c=None, int[]? recipe=None) -> ()",
    _gemm,
    _fake_gemm,
)
_register(
    "deep_gemm_grouped_contiguous",
    f"({_SCALED_PAIR}, Tensor grouped_layout, bool psum=False) -> ()",
    _grouped_contiguous,
    _writes_only,
)
_register(
    "deep_gemm_grouped_masked",
    f"({_SCALED_PAIR}, Tensor masked_m, SymInt expected_m) -> ()",
    _grouped_masked,
    _writes_only,
)
_register("deep_gemm_fp8_einsum", f"(str equation, {_SCALED_PAIR}) -> ()", _einsum, _writes_only)
_register(
    "deep_gemm_fp8_mqa_logits",
    "(Tensor q, Tensor k, Tensor scale, Tensor weights, Tensor start, Tensor end, bool clean)"
    " -> Tensor",
    _mqa_logits,
    _fake_mqa_logits,
)
_register(
    "deep_gemm_fp8_paged_mqa_logits",
    "(Tensor q, Tensor cache, Tensor weights, Tensor lengths, Tensor table, Tensor schedule, "
    "SymInt longest, bool clean) -> Tensor",
    _paged_mqa_logits,
    _fake_paged_mqa_logits,
)
