"""The k-grouped functions, FP8 and BF16, against the float64 product of each group."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch

from tests.kernels.cases.case import Case, wrong
from tests.kernels.cases.k_grouped import bf16_tn, fp8_nt, fp8_tn
from tests.kernels.configurations import Configuration, configurations

pytestmark = pytest.mark.hopper

Draw = Callable[..., Case]
KINDS: list[Draw] = [fp8_nt, fp8_tn, bf16_tn]
# Those that a sum over k may be made of: f32, and rows of either operand as they lie.
CONFIGURATIONS = [
    row
    for family in ("fp8_row_scales", "bf16")
    for row in configurations(family, grouped=False)
    if row.output == torch.float32 and (family == "fp8_row_scales" or row.a_major == row.b_major)
]
DEPTHS = [(128,), (0, 128, 256), (256, 0, 0, 1024, 128), (128,) * 16, (0, 384, 0)]


def kinds_of(config: Configuration) -> Sequence[Draw]:
    """The functions that a configuration serves; BF16's operands both lie along m and n."""
    if config.family == "fp8_row_scales":
        return (fp8_nt, fp8_tn)
    return (bf16_tn,) if config.a_major == "mn" else ()


def test_every_configuration_agrees_for_its_tails(
    config: Configuration, device: torch.device
) -> None:
    """A tile, sixteen fewer and more; groups without k among them."""
    rows, columns = ((16, tile - 16, tile, tile + 16) for tile in (config.tile_m, config.tile_n))
    assert not wrong(
        draw(m, n, (256, 0, 128), device)
        for draw in kinds_of(config)
        for m, n in zip(rows, reversed(columns), strict=True)
    )


def test_every_configuration_agrees_for_a_small_problem(
    config: Configuration, device: torch.device
) -> None:
    """Ragged tiles and an empty group: what compute-sanitizer runs on (CONTRIBUTING.md)."""
    m, n = config.tile_m + 16, config.tile_n + 16
    assert not wrong(draw(m, n, (128, 0, 256), device) for draw in kinds_of(config))


@pytest.mark.parametrize("draw", KINDS)
@pytest.mark.parametrize("ks", DEPTHS)
def test_groups_of_any_depth_agree(draw: Draw, ks: tuple[int, ...], device: torch.device) -> None:
    """With c, and without; a group without k is c, or zeros."""
    assert not wrong(draw(272, 400, ks, device, with_c=with_c) for with_c in (True, False))


@pytest.mark.parametrize("draw", KINDS)
def test_no_group_need_have_depth(draw: Draw, device: torch.device) -> None:
    """All of d is c."""
    assert not wrong([draw(64, 48, (0, 0, 0), device)])


@pytest.mark.parametrize("draw", KINDS)
def test_agrees_for_an_expert_of_deepseek(draw: Draw, device: torch.device) -> None:
    """The weight gradient of a published weight."""
    assert not wrong([draw(4096, 7168, (2048, 128, 3072, 1024), device)])


@pytest.mark.parametrize("draw", KINDS)
def test_many_shallow_groups_agree(draw: Draw, device: torch.device) -> None:
    """More groups than multiprocessors."""
    assert not wrong([draw(64, 128, (128,) * 200, device)])


def test_rows_dense_in_k_may_be_of_any_number(device: torch.device) -> None:
    """The flattened layout has no alignment of m and n."""
    assert not wrong(
        fp8_nt(m, n, (128, 256), device) for m, n in ((1, 1), (63, 129), (65, 127), (1, 400))
    )
