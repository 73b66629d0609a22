"""The m-grouped contiguous functions, FP8 and BF16, against the float64 product of each group."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from tests.kernels.cases.case import poisoned, same_bits, wrong
from tests.kernels.cases.grouped import contiguous, draw, worst
from tests.kernels.cases.rows import RowGroups, edge_counts
from tests.kernels.configurations import Configuration, configurations
from vllm.third_party import deep_gemm

pytestmark = pytest.mark.hopper

CONFIGURATIONS = [row for family in ("fp8", "bf16") for row in configurations(family, grouped=True)]
KINDS = [("fp8", "k"), ("bf16", "k"), ("bf16", "mn")]
DEPTHS = (16, 144, 1040)


def aligned(*counts: int, trailing: int = 0) -> RowGroups:
    """Rows of groups at the alignment that is set."""
    alignment = deep_gemm.get_mk_alignment_for_contiguous_layout()
    return RowGroups(counts=counts, alignment=alignment, trailing=trailing)


@pytest.mark.parametrize("psum", [False, True])
def test_every_configuration_agrees_for_its_tails(
    config: Configuration, psum: bool, device: torch.device
) -> None:
    """Groups of 0, 1, tile - 1, tile and tile + 1 rows, as many columns, and each depth."""
    tile = config.tile_n
    groups = aligned(*edge_counts(config.tile_m))
    assert not wrong(
        contiguous(config.family, groups, n, k, device, b_major=config.b_major, psum=psum)
        for n, k in product((1, tile - 1, tile, tile + 1), DEPTHS)
    )


@pytest.mark.parametrize("psum", [False, True])
def test_every_configuration_agrees_for_a_small_problem(
    config: Configuration, psum: bool, device: torch.device
) -> None:
    """Ragged tiles and an empty group: what compute-sanitizer runs on (CONTRIBUTING.md)."""
    groups, n = aligned(1, 0, config.tile_m + 1), config.tile_n + 7
    family, b_major = config.family, config.b_major
    assert not wrong([contiguous(family, groups, n, 272, device, b_major=b_major, psum=psum)])


@pytest.mark.parametrize("psum", [False, True])
def test_every_configuration_agrees_for_many_tiles(
    config: Configuration, psum: bool, device: torch.device
) -> None:
    """More tiles than multiprocessors: persistence and the order of tiles lose and repeat none."""
    groups = aligned(1000, 5, 0, 1300, 777)
    problem = contiguous(
        config.family, groups, 1544, 640, device, b_major=config.b_major, psum=psum
    )
    assert not wrong([problem])


@pytest.mark.parametrize(("family", "b_major"), KINDS)
def test_agrees_for_an_expert_of_deepseek(family: str, b_major: str, device: torch.device) -> None:
    """Groups of random sizes with a published weight."""
    groups = aligned(811, 1204, 640, 1)
    assert not wrong([contiguous(family, groups, 4096, 7168, device, b_major=b_major)])


@pytest.mark.parametrize("family", ["fp8", "bf16"])
def test_blocks_that_are_padding_alone_become_zeros(family: str, device: torch.device) -> None:
    """A buffer may be longer than its groups: the rest is -1."""
    assert not wrong(
        contiguous(family, aligned(*counts, trailing=384), 264, 272, device)
        for counts in ((130, 7), (0, 0), (256,))
    )


@pytest.mark.parametrize(("family", "b_major"), KINDS)
def test_both_layouts_give_the_same_bits(family: str, b_major: str, device: torch.device) -> None:
    """Groups of rows and ends of groups say the same, padding included."""
    groups = aligned(130, 0, 1, 255)
    problems = [
        contiguous(family, groups, 520, 784, device, b_major=b_major, psum=psum)
        for psum in (False, True)
    ]
    assert not wrong(problems)
    assert same_bits(problems[0].d, problems[1].d)


@pytest.mark.parametrize("family", ["fp8", "bf16"])
def test_a_larger_alignment_is_followed(family: str, device: torch.device) -> None:
    """Groups start at multiples of what is set, with either layout."""
    before = deep_gemm.get_mk_alignment_for_contiguous_layout()
    deep_gemm.set_mk_alignment_for_contiguous_layout(2 * before)
    try:
        groups = aligned(1, before, before + 1, 0, 2 * before)
        assert groups.alignment == 2 * before
        assert not wrong(
            contiguous(family, groups, 264, 272, device, psum=psum) for psum in (False, True)
        )
    finally:
        deep_gemm.set_mk_alignment_for_contiguous_layout(before)


def test_b_may_lie_along_n_under_either_name(device: torch.device) -> None:
    """`nt` takes a transposed view of what `nn` takes, to the same bits."""
    groups = aligned(100, 200)
    given = draw("bf16", (groups.total,), 264, 272, 2, groups.layout(device) < 0, b_major="mn")
    results = [poisoned(groups.total, 264, dtype=torch.bfloat16, device=device) for _ in range(2)]
    layout = groups.layout(device)
    deep_gemm.m_grouped_bf16_gemm_nt_contiguous(given.a, given.b, results[0], layout)
    deep_gemm.m_grouped_bf16_gemm_nn_contiguous(given.a, given.b.mT, results[1], layout)
    a, b = given.exact_a(), given.exact_b()
    rows = groups.slices
    assert worst([results[0][each] for each in rows], [a[each] for each in rows], b) < 1
    assert same_bits(*results)


@pytest.mark.parametrize("psum", [False, True])
def test_an_empty_call_returns(psum: bool, device: torch.device) -> None:
    """No group has rows, and none is padding."""
    problem = contiguous("fp8", aligned(0, 0), 264, 272, device, psum=psum)
    assert problem.d.numel() == 0
    problem.call()


@pytest.mark.parametrize("psum", [False, True])
def test_refuses_a_layout_of_another_length(psum: bool, device: torch.device) -> None:
    """A group for each row, or an end for each group, no fewer; nothing is launched."""
    groups = aligned(128, 128)
    given = draw("fp8", (256,), 264, 272, 2, groups.layout(device) < 0)
    layout = (groups.psum(device) if psum else groups.layout(device))[:-1]
    d = poisoned(256, 264, dtype=torch.bfloat16, device=device)
    with pytest.raises(ValueError, match="grouped_layout"):
        deep_gemm.m_grouped_fp8_gemm_nt_contiguous(
            given.a, given.b, d, layout, use_psum_layout=psum
        )
    assert bool(torch.isnan(d).all())
