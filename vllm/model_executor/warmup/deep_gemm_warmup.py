"""Load the DeepGEMM kernels that a model will use, so that no request waits for one.

Kernels are compiled ahead of time: what is left is loading a module per configuration. A model
without DeepGEMM layers, or a machine without DeepGEMM, has nothing to load and costs nothing.
"""

from __future__ import annotations

import importlib
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from vllm import envs
from vllm.model_executor.layers.fp8_linear import BLOCK, E4M3, Fp8BlockLinear
from vllm.utils.deep_gemm import fp8_gemm_nt, support

logger = logging.getLogger(__name__)

_BF16_BYTES = 2


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One multiplication, and the kernel that serves it."""

    m: int
    n: int
    k: int
    kernel: str


@dataclass(frozen=True, kw_only=True)
class WarmupReport:
    """What was loaded, how long it took, and why nothing was, where nothing was."""

    kernels: tuple[str, ...]
    milliseconds: float
    reason: str = ""


def deep_gemm_warmup(
    model: nn.Module, max_tokens: int, launch: Callable[[Problem], None] | None = None
) -> WarmupReport:
    """Load every kernel that the model's DeepGEMM layers choose for up to `max_tokens` tokens.

    VLLM_DEEP_GEMM_WARMUP: skip loads nothing, relax what powers of two choose, full what any number
    does.
    """
    began = time.perf_counter()
    problems = plan_warmup(model, max_tokens, envs.VLLM_DEEP_GEMM_WARMUP)
    if isinstance(problems, str):
        return WarmupReport(kernels=(), milliseconds=0.0, reason=problems)
    for problem in problems:
        (launch or _launch)(problem)
    if launch is None:
        torch.cuda.synchronize()
    took = (time.perf_counter() - began) * 1e3
    names = tuple(problem.kernel for problem in problems)
    logger.info("DeepGEMM: %d kernels loaded in %.1f ms", len(names), took)
    return WarmupReport(kernels=names, milliseconds=took)


def plan_warmup(
    model: nn.Module,
    max_tokens: int,
    mode: str,
    choose: Callable[[int, int, int], str] | None = None,
) -> list[Problem] | str:
    """Return one problem for each kernel that will be chosen, or why there is nothing to do."""
    if mode == "skip":
        return "VLLM_DEEP_GEMM_WARMUP is skip"
    shapes = sorted({tuple(layer.weight.shape) for layer in _layers(model)})
    if not shapes:
        return "the model has no DeepGEMM layer"
    here = support()
    if choose is None and not here.supported:
        return here.reason
    chosen = choose or _chooser()
    planned: dict[str, Problem] = {}
    for n, k in shapes:
        for m in _token_counts(max_tokens, mode):
            kernel = chosen(m, n, k)
            planned.setdefault(kernel, Problem(m=m, n=n, k=k, kernel=kernel))
    return list(planned.values())


def _layers(model: nn.Module) -> Iterable[Fp8BlockLinear]:
    return (
        module
        for module in model.modules()
        if isinstance(module, Fp8BlockLinear) and module.uses_deep_gemm
    )


def _token_counts(max_tokens: int, mode: str) -> Iterable[int]:
    if mode == "full":
        return range(1, max_tokens + 1)
    powers = [1 << bit for bit in range(max_tokens.bit_length())]
    return sorted({*(power for power in powers if power <= max_tokens), max_tokens})


def _chooser() -> Callable[[int, int, int], str]:
    """Return what names the kernel of a problem, without a launch."""
    extension: Any = importlib.import_module("vllm.third_party.deep_gemm._C")
    multiprocessors = extension.get_num_sms(torch.cuda.current_device())
    early_weights = extension.get_pdl() and extension.get_early_weights()

    def choose(m: int, n: int, k: int) -> str:
        problem = (m, n, k, _BF16_BYTES, multiprocessors)
        return str(extension.explain(*problem, "fp8", 0, 0, early_weights)[0])

    return choose


def _launch(problem: Problem) -> None:
    m, n, k = problem.m, problem.n, problem.k
    blocks = (-(-n // BLOCK), -(-k // BLOCK))
    a = torch.zeros((m, k), dtype=E4M3, device="cuda")
    b = torch.zeros((n, k), dtype=E4M3, device="cuda")
    scale_a = torch.ones((m, blocks[1]), device="cuda")
    scale_b = torch.ones(blocks, device="cuda")
    d = torch.empty((m, n), dtype=torch.bfloat16, device="cuda")
    fp8_gemm_nt((a, scale_a), (b, scale_b), d)
