"""Random problems over all functions in a row, the same ones each time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

import pytest
import torch

from tests.kernels.cases.case import Case, wrong
from tests.kernels.cases.dense import bf16, fp8, row_scales
from tests.kernels.cases.grouped import contiguous, masked
from tests.kernels.cases.k_grouped import bf16_tn, fp8_nt, fp8_tn
from tests.kernels.cases.rows import RowGroups
from vllm.third_party import deep_gemm

pytestmark = pytest.mark.hopper

PROBLEMS = 1000
OUTPUTS = (torch.bfloat16, torch.float32)
MAJORS = ("k", "mn")
Draw = Callable[[Random, torch.device], Case]


def a_dense_fp8(source: Random, device: torch.device) -> Case:
    m, n, k = source.randint(1, 600), source.randint(1, 600), 16 * source.randint(1, 130)
    return fp8(m, n, k, source.choice(OUTPUTS), device, with_c=source.random() < 0.3)


def a_row_scales(source: Random, device: torch.device) -> Case:
    m, n, k = source.randint(1, 600), source.randint(1, 600), 16 * source.randint(1, 130)
    return row_scales(m, n, k, device, with_c=source.random() < 0.5)


def a_dense_bf16(source: Random, device: torch.device) -> Case:
    m, n, k = source.randint(1, 600), source.randint(1, 600), 8 * source.randint(1, 200)
    a_major, b_major, with_c = *source.choices(MAJORS, k=2), source.random() < 0.3
    output = source.choice(OUTPUTS)
    return bf16(m, n, k, output, device, a_major=a_major, b_major=b_major, with_c=with_c)


def counts(source: Random, most: int) -> tuple[int, ...]:
    """A fifth of the groups is empty."""
    return tuple(
        source.choice((0, *(source.randint(1, most) for _ in range(4))))
        for _ in range(source.randint(1, 6))
    )


def a_contiguous(source: Random, device: torch.device) -> Case:
    family = source.choice(("fp8", "bf16"))
    groups = RowGroups(
        counts=counts(source, 300), alignment=deep_gemm.get_mk_alignment_for_contiguous_layout()
    )
    n, k = source.randint(1, 400), 16 * source.randint(1, 60)
    b_major = source.choice(MAJORS) if family == "bf16" else "k"
    psum = source.random() < 0.5
    return contiguous(family, groups, n, k, device, b_major=b_major, psum=psum)


def a_masked(source: Random, device: torch.device) -> Case:
    rows = counts(source, 300)
    max_m = max(1, *rows) + source.randint(0, 100)
    n, k = source.randint(1, 400), 16 * source.randint(1, 60)
    return masked(source.choice(("fp8", "bf16")), rows, max_m, n, k, device)


def a_k_grouped(source: Random, device: torch.device) -> Case:
    draw = source.choice((fp8_nt, fp8_tn, bf16_tn))
    ks = [128 * source.randint(0, 4) for _ in range(source.randint(1, 6))]
    m, n = 16 * source.randint(1, 25), 16 * source.randint(1, 25)
    return draw(m, n, ks, device, with_c=source.random() < 0.7)


DRAWS: tuple[Draw, ...] = (
    a_dense_fp8,
    a_row_scales,
    a_dense_bf16,
    a_contiguous,
    a_masked,
    a_k_grouped,
)


def test_random_problems_agree_in_a_row(device: torch.device) -> None:
    """Functions change from call to call, so that one's leftovers would show in the next."""

    def problems() -> Iterator[Case]:
        source = Random(2026)
        for _ in range(PROBLEMS):
            yield source.choice(DRAWS)(source, device)

    assert not wrong(problems())
