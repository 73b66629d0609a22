"""Cases of the m-grouped functions: contiguous, psum and masked.

Whatever lies in rows that belong to no group must not matter: those of A are no numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from tests.kernels.cases.case import Case, poisoned, same_bits
from tests.kernels.cases.dense import bf16_matrix, seed_of
from tests.kernels.cases.rows import RowGroups, padding, spread_of
from tests.kernels.reference import Quantised, quantised, share_of_tolerance, stack
from vllm.third_party import deep_gemm

E4M3_NAN = 0x7F


@dataclass(frozen=True, kw_only=True)
class Operands:
    """What a function takes, and the float64 matrices that this stands for."""

    a: Any
    b: Any
    values: torch.Tensor
    exact_a: Callable[[], torch.Tensor]
    exact_b: Callable[[], torch.Tensor]


def contiguous(
    family: str,
    groups: RowGroups,
    n: int,
    k: int,
    device: torch.device,
    *,
    b_major: str = "k",
    psum: bool = False,
) -> Case:
    """The `…_contiguous` function of a family; rows of padding have to become zeros."""
    layout = groups.layout(device)
    count = len(groups.counts)
    given = draw(family, (groups.total,), n, k, count, padding(layout), b_major=b_major)
    d = poisoned(groups.total, n, dtype=torch.bfloat16, device=device)
    function, b = spelling(family, b_major, given)
    told = groups.psum(device) if psum else layout

    def judge() -> float:
        if bool((d[padding(layout)] != 0).any()):
            return math.inf
        a, b = given.exact_a(), given.exact_b()
        return worst([d[rows] for rows in groups.slices], [a[rows] for rows in groups.slices], b)

    return Case(
        name=f"{function.__name__} {spread_of(groups.counts)}x{n}x{k} {b_major} {psum=}",
        values=given.values,
        d=d,
        call=lambda: function(given.a, b, d, told, use_psum_layout=psum),
        judge=judge,
    )


def masked(
    family: str,
    counts: Sequence[int],
    max_m: int,
    n: int,
    k: int,
    device: torch.device,
    *,
    expected_m: int | None = None,
) -> Case:
    """The `…_masked` function of a family; rows beyond a group's have to keep their bits."""
    masked_m = torch.tensor(counts, dtype=torch.int32, device=device)
    beyond = torch.arange(max_m, device=device)[None] >= masked_m[:, None]
    given = draw(family, (len(counts), max_m), n, k, len(counts), beyond)
    d = poisoned(len(counts), max_m, n, dtype=torch.bfloat16, device=device)
    before = d.clone()
    functions: dict[str, Callable[..., object]] = {
        "fp8": deep_gemm.m_grouped_fp8_gemm_nt_masked,
        "bf16": deep_gemm.m_grouped_bf16_gemm_nt_masked,
    }
    function = functions[family]
    hint = max(1, sum(counts) // len(counts)) if expected_m is None else expected_m

    def judge() -> float:
        if not same_bits(d[beyond], before[beyond]):
            return math.inf
        a = given.exact_a()
        cut = [slice(0, count) for count in counts]
        return worst(
            [d[g, rows] for g, rows in enumerate(cut)],
            [a[g, rows] for g, rows in enumerate(cut)],
            given.exact_b(),
        )

    return Case(
        name=f"{function.__name__} {spread_of(counts)} of {max_m}x{n}x{k} {hint=}",
        values=given.values,
        d=d,
        call=lambda: function(given.a, given.b, d, masked_m, hint),
        judge=judge,
    )


def draw(
    family: str,
    rows: tuple[int, ...],
    n: int,
    k: int,
    groups: int,
    meaningless: torch.Tensor,
    *,
    b_major: str = "k",
) -> Operands:
    """Draw A (rows or groups x rows, k) and B (groups, n, k)."""
    generator = torch.Generator(device=meaningless.device)
    generator.manual_seed(seed_of(sum(rows), n, k))
    total = math.prod(rows)
    if family == "fp8":
        a_and_scales = quantised(total, k, 1, generator)
        b_parts = [quantised(n, k, 128, generator) for _ in range(groups)]
        return of_quantised(in_groups(a_and_scales, rows), stack(b_parts), meaningless)
    a = bf16_matrix(total, k, "k", generator).view(*rows, k)
    a[meaningless] = math.nan
    b = torch.stack([bf16_matrix(n, k, "k", generator) for _ in range(groups)])
    if b_major == "mn":
        b = lay_along_n(b)
    return Operands(a=a, b=b, values=a, exact_a=a.double, exact_b=b.double)


def in_groups(flat: Quantised, rows: tuple[int, ...]) -> Quantised:
    """Return (rows, k) as (groups, rows, k) where there are that many extents."""
    return Quantised(
        values=flat.values.view(*rows, flat.values.shape[-1]),
        scales=flat.scales.view(*rows, flat.scales.shape[-1]),
        rows_per_scale=flat.rows_per_scale,
    )


def of_quantised(a: Quantised, b: Quantised, meaningless: torch.Tensor) -> Operands:
    """Let the rows of A that are in no group, and their scale factors, be no numbers."""
    a.values.view(torch.uint8)[meaningless] = E4M3_NAN
    a.scales[meaningless] = math.nan
    return Operands(
        a=a.pair, b=b.pair, values=a.values, exact_a=lambda: a.exact, exact_b=lambda: b.exact
    )


def lay_along_n(b: torch.Tensor) -> torch.Tensor:
    """Return (groups, n, k) with n dense, each k at a multiple of 16 bytes."""
    groups, n, k = b.shape
    stored = b.new_zeros(groups, k, deep_gemm.align(n, 8))
    stored[..., :n] = b.mT
    return stored[..., :n].mT


def spelling(family: str, b_major: str, given: Operands) -> tuple[Callable[..., object], Any]:
    """Return the function for B's way of lying, and B as this function names its extents."""
    if family == "fp8":
        return deep_gemm.m_grouped_fp8_gemm_nt_contiguous, given.b
    if b_major == "k":
        return deep_gemm.m_grouped_bf16_gemm_nt_contiguous, given.b
    return deep_gemm.m_grouped_bf16_gemm_nn_contiguous, given.b.mT


def worst(d: Sequence[torch.Tensor], a: Sequence[torch.Tensor], b: torch.Tensor) -> float:
    """Compare each group that has rows with its float64 product."""
    shares = [
        share_of_tolerance(out, rows @ columns.T, rows, columns)
        for out, rows, columns in zip(d, a, b, strict=True)
        if len(rows) > 0
    ]
    return max(shares, default=0.0)
