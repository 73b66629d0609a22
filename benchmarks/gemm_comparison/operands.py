"""Operands of each family, the call of each method on them, and how far its result is off.

Ours and DeepGEMM have the same functions, so `through` takes either module. A call writes `d`, or
returns what it computed: one tensor, or one for each group.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from benchmarks.gemm_comparison.problems import Problem, masked_rows
from benchmarks.gemm_comparison.torch_calls import Call, block_scaled_mm, one_after_another
from tests.kernels.reference import Quantised, operands, quantised, relative_error, stack
from vllm.third_party import deep_gemm as ours

Library = Any  # our module or DeepGEMM's

MAX_MASKED_ROWS = 4096


class Operands(Protocol):
    """What one call is given."""

    @property
    def d(self) -> torch.Tensor: ...
    def through(self, library: Library) -> Call: ...
    def through_torch(self) -> Call: ...
    def reference(self) -> Sequence[torch.Tensor]:
        """The float64 result of each group."""

    def results(self, whole: torch.Tensor) -> Sequence[torch.Tensor]:
        """The rows of each group that count, in a tensor of d's rows."""


def draw(problem: Problem, device: torch.device, seed: int) -> Operands:
    """Draw one set of random operands."""
    families: dict[str, Callable[[Problem, torch.device, int], Operands]] = {
        "dense": Dense.draw,
        "grouped": Grouped.draw,
        "masked": Masked.draw,
        "bf16": Bf16.draw,
    }
    return families[problem.family](problem, device, seed)


def error(given: Operands, result: object, reference: Sequence[torch.Tensor]) -> float:
    """Return the largest relative error of a group."""
    if isinstance(result, list):
        parts: Sequence[torch.Tensor] = result
    else:
        parts = given.results(result if isinstance(result, torch.Tensor) else given.d)
    return max(relative_error(part, exact) for part, exact in zip(parts, reference, strict=True))


@dataclass(frozen=True, kw_only=True)
class Dense:
    """A (m, k), B (n, k) in e4m3."""

    a: Quantised
    b: Quantised
    scale_a: torch.Tensor  # MN-major
    d: torch.Tensor

    @classmethod
    def draw(cls, problem: Problem, device: torch.device, seed: int) -> Dense:
        a, b = operands(problem.m, problem.n, problem.k, device, seed)
        d = torch.empty(problem.m, problem.n, dtype=torch.bfloat16, device=device)
        scale_a = ours.get_mn_major_tma_aligned_tensor(a.scales)
        return cls(a=a, b=b, scale_a=scale_a, d=d)

    def through(self, library: Library) -> Call:
        return lambda: library.fp8_gemm_nt((self.a.values, self.scale_a), self.b.pair, self.d)

    def through_torch(self) -> Call:
        return block_scaled_mm(self.a.values, self.a.scales, self.b.values, self.b.scales)

    def reference(self) -> Sequence[torch.Tensor]:
        return (self.a.exact @ self.b.exact.T,)

    def results(self, whole: torch.Tensor) -> Sequence[torch.Tensor]:
        return (whole,)


@dataclass(frozen=True, kw_only=True)
class Grouped:
    """A (groups * rows, k) in e4m3, the rows of each group together; B (groups, n, k)."""

    a: Quantised
    b: Quantised
    scale_a: torch.Tensor  # MN-major
    grouped_layout: torch.Tensor
    d: torch.Tensor

    @classmethod
    def draw(cls, problem: Problem, device: torch.device, seed: int) -> Grouped:
        generator = torch.Generator(device=device).manual_seed(seed)
        groups, rows = problem.groups, problem.m
        a = quantised(groups * rows, problem.k, 1, generator)
        group = torch.arange(groups, dtype=torch.int32, device=device)
        return cls(
            a=a,
            b=stack([quantised(problem.n, problem.k, 128, generator) for _ in range(groups)]),
            scale_a=ours.get_mn_major_tma_aligned_tensor(a.scales),
            grouped_layout=group.repeat_interleave(rows),
            d=torch.empty(groups * rows, problem.n, dtype=torch.bfloat16, device=device),
        )

    @property
    def rows(self) -> Sequence[int]:
        groups = self.b.values.shape[0]
        return (int(self.d.shape[0]) // int(groups),) * int(groups)

    def through(self, library: Library) -> Call:
        return lambda: library.m_grouped_fp8_gemm_nt_contiguous(
            (self.a.values, self.scale_a), self.b.pair, self.d, self.grouped_layout
        )

    def through_torch(self) -> Call:
        return one_after_another(
            [
                block_scaled_mm(values, scales, b_values, b_scales)
                for values, scales, b_values, b_scales in zip(
                    self.a.values.split(list(self.rows)),
                    self.a.scales.split(list(self.rows)),
                    self.b.values,
                    self.b.scales,
                    strict=True,
                )
            ]
        )

    def reference(self) -> Sequence[torch.Tensor]:
        return products(self.results(self.a.exact), self.b.exact)

    def results(self, whole: torch.Tensor) -> Sequence[torch.Tensor]:
        return [*whole.split(list(self.rows))]


@dataclass(frozen=True, kw_only=True)
class Masked:
    """A (groups, MAX_MASKED_ROWS, k) in e4m3, of which `rows` count; B (groups, n, k)."""

    a: Quantised
    b: Quantised
    scale_a: torch.Tensor  # MN-major
    rows: Sequence[int]
    masked_m: torch.Tensor
    expected_m: int
    d: torch.Tensor

    @classmethod
    def draw(cls, problem: Problem, device: torch.device, seed: int) -> Masked:
        generator = torch.Generator(device=device).manual_seed(seed)
        groups, rows = problem.groups, masked_rows(problem)
        a = stack([quantised(MAX_MASKED_ROWS, problem.k, 1, generator) for _ in range(groups)])
        return cls(
            a=a,
            b=stack([quantised(problem.n, problem.k, 128, generator) for _ in range(groups)]),
            scale_a=ours.get_mn_major_tma_aligned_tensor(a.scales),
            rows=rows,
            masked_m=torch.tensor(rows, dtype=torch.int32, device=device),
            expected_m=problem.m,
            d=torch.empty(groups, MAX_MASKED_ROWS, problem.n, dtype=torch.bfloat16, device=device),
        )

    def through(self, library: Library) -> Call:
        return lambda: library.m_grouped_fp8_gemm_nt_masked(
            (self.a.values, self.scale_a), self.b.pair, self.d, self.masked_m, self.expected_m
        )

    def through_torch(self) -> Call:
        """Torch knows the rows on the host, rounded up to sixteen: cuBLASLt's alignment."""
        return one_after_another(
            [
                block_scaled_mm(values[:taken], scales[:taken], b_values, b_scales)
                for values, scales, taken, b_values, b_scales in zip(
                    self.a.values,
                    self.a.scales,
                    [ours.align(rows, 16) for rows in self.rows],
                    self.b.values,
                    self.b.scales,
                    strict=True,
                )
            ],
            rows=self.rows,
        )

    def reference(self) -> Sequence[torch.Tensor]:
        return products(self.results(self.a.exact), self.b.exact)

    def results(self, whole: torch.Tensor) -> Sequence[torch.Tensor]:
        return [whole[g, :rows] for g, rows in enumerate(self.rows)]


@dataclass(frozen=True, kw_only=True)
class Bf16:
    """A (m, k), B (n, k) in bf16, both dense in k."""

    a: torch.Tensor
    b: torch.Tensor
    d: torch.Tensor

    @classmethod
    def draw(cls, problem: Problem, device: torch.device, seed: int) -> Bf16:
        generator = torch.Generator(device=device).manual_seed(seed)
        shapes = ((problem.m, problem.k), (problem.n, problem.k))
        a, b = (
            torch.randn(shape, dtype=torch.bfloat16, device=device, generator=generator)
            for shape in shapes
        )
        return cls(a=a, b=b, d=a.new_empty(problem.m, problem.n))

    def through(self, library: Library) -> Call:
        return lambda: library.bf16_gemm_nt(self.a, self.b, self.d)

    def through_torch(self) -> Call:
        transposed = self.b.T
        return lambda: torch.mm(self.a, transposed, out=self.d)

    def reference(self) -> Sequence[torch.Tensor]:
        return (self.a.double() @ self.b.double().T,)

    def results(self, whole: torch.Tensor) -> Sequence[torch.Tensor]:
        return (whole,)


def products(a: Sequence[torch.Tensor], b: torch.Tensor) -> Sequence[torch.Tensor]:
    """Return the product of each group."""
    return [rows @ columns.T for rows, columns in zip(a, b, strict=True)]
