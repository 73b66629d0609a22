"""Which recipe a call asks for, and the layout in which scale factors reach the kernels."""

from __future__ import annotations

import pytest
import torch

from vllm.third_party.deep_gemm.scales import expect_block_scales, has_row_scales, mn_major


def test_a_recipe_says_whether_b_has_a_scale_for_each_row() -> None:
    """In three numbers, or in two for each operand."""
    assert not has_row_scales(None, None, None)
    assert not has_row_scales((1, 128, 128), None, None)
    assert not has_row_scales(None, (1, 128), (128, 128))
    assert has_row_scales((1, 1, 128), None, None)
    assert has_row_scales(None, (1, 128), (1, 128))


def test_recipes_that_contradict_each_other_are_refused() -> None:
    """One of them would be read as the other."""
    with pytest.raises(ValueError, match=r"recipe_b: expected \(128, 128\) as recipe says"):
        has_row_scales((1, 128, 128), None, (1, 128))


@pytest.mark.parametrize("recipes", [((1, 1, 128), None, None), (None, (1, 128), (1, 128))])
def test_grouped_rows_have_scales_of_blocks_alone(recipes: tuple[None, None, None]) -> None:
    """The message names the recipe that asks for more."""
    with pytest.raises(ValueError, match=r"^recipe.*: expected .* or None for grouped rows, got"):
        expect_block_scales(*recipes)


@pytest.mark.parametrize("shape", [(6, 4), (3, 6, 4)])
def test_scales_that_no_bulk_copy_can_read_are_copied_once(shape: tuple[int, ...]) -> None:
    """Row-major ones become MN-major with their values; what is so already is used as it is."""
    scale = torch.randn(shape)
    copied = mn_major(scale)
    assert torch.equal(copied, scale)
    assert copied.stride()[-2:] == (1, 8)
    assert mn_major(copied) is copied


def test_groups_that_begin_between_aligned_addresses_are_copied() -> None:
    """Each group's first column is read by a bulk copy too."""
    scale = torch.randn(2 * 33).as_strided((2, 8, 4), (33, 1, 8))
    assert mn_major(scale).stride() == (32, 1, 8)
