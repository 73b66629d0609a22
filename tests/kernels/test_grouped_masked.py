"""The m-grouped masked functions, FP8 and BF16, against the float64 product of each group."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from tests.kernels.cases.case import POISON, poisoned, wrong
from tests.kernels.cases.grouped import draw, masked, worst
from tests.kernels.configurations import Configuration, configurations
from vllm.third_party import deep_gemm

pytestmark = pytest.mark.hopper

# Rows of A are dense in k here, and so is B: the masked functions have no other way.
CONFIGURATIONS = [
    row
    for family in ("fp8", "bf16")
    for row in configurations(family, grouped=True)
    if row.b_major == "k"
]
FAMILIES = ("fp8", "bf16")
DEPTHS = (16, 144, 1040)


def test_every_configuration_agrees_for_its_tails(
    config: Configuration, device: torch.device
) -> None:
    """0, 1, tile - 1, tile, tile + 1 and all rows of a group; nothing beyond them is touched."""
    rows, columns = config.tile_m, config.tile_n
    max_m = 2 * rows + 3
    counts = (0, 1, rows - 1, rows, rows + 1, max_m, 0)
    assert not wrong(
        masked(config.family, counts, max_m, n, k, device)
        for n, k in product((1, columns - 1, columns, columns + 1), DEPTHS)
    )


def test_every_configuration_agrees_for_a_small_problem(
    config: Configuration, device: torch.device
) -> None:
    """Ragged tiles and an empty group: what compute-sanitizer runs on (CONTRIBUTING.md)."""
    rows, n = config.tile_m + 1, config.tile_n + 7
    assert not wrong([masked(config.family, (1, 0, rows), rows + 2, n, 272, device)])


def test_every_configuration_agrees_for_many_tiles(
    config: Configuration, device: torch.device
) -> None:
    """More tiles than multiprocessors: persistence and the order of tiles lose and repeat none."""
    counts = (1500, 3, 0, 900, 1536)
    assert not wrong([masked(config.family, counts, 1536, 1544, 640, device)])


@pytest.mark.parametrize("family", FAMILIES)
def test_agrees_for_an_expert_of_deepseek(family: str, device: torch.device) -> None:
    """Rows as a decode step has them, in a buffer that is mostly empty."""
    assert not wrong([masked(family, (301, 187, 256, 0), 1024, 7168, 2048, device)])


@pytest.mark.parametrize("family", FAMILIES)
def test_the_expected_rows_are_a_hint_alone(family: str, device: torch.device) -> None:
    """Whatever the host expects, the device's counts are computed."""
    counts = (0, 200, 513, 1)
    assert not wrong(
        masked(family, counts, 600, 264, 272, device, expected_m=hint)
        for hint in (1, 64, 178, 513, 600)
    )


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("counts", [(0,), (0, 0, 0), (64, 64), (1,), (77,)])
def test_groups_may_all_be_empty_or_full(
    family: str, counts: tuple[int, ...], device: torch.device
) -> None:
    """One group or several of a small buffer, none of whose rows or all of whose count."""
    assert not wrong([masked(family, counts, max(64, *counts), 264, 272, device)])


def test_has_its_older_name() -> None:
    """vLLM and SGLang call it by that."""
    assert deep_gemm.fp8_m_grouped_gemm_nt_masked is deep_gemm.m_grouped_fp8_gemm_nt_masked


def test_counts_are_read_when_the_kernel_runs(device: torch.device) -> None:
    """A captured call computes the rows that the device's counts name at its replay."""
    everything = torch.zeros(2, 128, dtype=torch.bool, device=device)
    given = draw("fp8", (2, 128), 264, 272, 2, everything)
    masked_m = torch.tensor([100, 20], dtype=torch.int32, device=device)
    d = poisoned(2, 128, 264, dtype=torch.bfloat16, device=device)
    deep_gemm.m_grouped_fp8_gemm_nt_masked(given.a, given.b, d, masked_m, 60)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        deep_gemm.m_grouped_fp8_gemm_nt_masked(given.a, given.b, d, masked_m, 60)
    masked_m.copy_(torch.tensor([7, 128], dtype=torch.int32))
    d.fill_(POISON)
    graph.replay()
    a = given.exact_a()
    assert worst([d[0, :7], d[1]], [a[0, :7], a[1]], given.exact_b()) < 1
    assert bool(torch.isnan(d[0, 7:]).all())
