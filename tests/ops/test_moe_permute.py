"""Rows gathered by expert into the contiguous grouped layout."""

from __future__ import annotations

import pytest
import torch

from tests.ops.reference import random
from vllm.utils.compiled_operators import Permuted, moe_permute

ALIGNMENT = 128


def choices(
    tokens: int, count: int, experts: int, device: torch.device, dtype: torch.dtype
) -> torch.Tensor:
    """Random experts, some of another rank on either side."""
    generator = torch.Generator().manual_seed(tokens)
    ids = torch.randint(-1, experts + 1, (tokens, count), generator=generator)
    return ids.to(device, dtype)


def check(
    x: torch.Tensor, ids: torch.Tensor, experts: int, found: Permuted, alignment: int
) -> None:
    """Walk through the slots as they stand and say where each row has to be."""
    layout = [-1] * found.grouped_layout.shape[0]
    slots = ids.flatten().tolist()
    rows, first = [-1] * len(slots), 0
    for expert in range(experts):
        mine = [slot for slot, chosen in enumerate(slots) if chosen == expert]
        for place, slot in enumerate(mine):
            rows[slot], layout[first + place] = first + place, expert
        assert found.group_sizes[expert] == len(mine)
        first += -(-len(mine) // alignment) * alignment
    assert found.row_of_slot.flatten().tolist() == rows
    assert found.grouped_layout.tolist() == layout
    for slot, row in enumerate(rows):
        if row >= 0:
            token = x[slot // ids.shape[1]]
            assert torch.equal(found.rows[row].view(torch.uint8), token.view(torch.uint8))


@pytest.mark.parametrize(
    ("tokens", "count", "experts"), [(1, 1, 1), (5, 2, 3), (64, 8, 32), (300, 4, 7), (1100, 8, 5)]
)
@pytest.mark.parametrize("index", [torch.int32, torch.int64])
def test_rows_lie_by_expert_in_the_order_of_tokens(
    tokens: int, count: int, experts: int, index: torch.dtype, device: torch.device
) -> None:
    """Each group begins at a multiple of 128; slots of other ranks take no row."""
    x = random(tokens, 16, device=device, dtype=torch.bfloat16)
    ids = choices(tokens, count, experts, device, index)
    check(x, ids, experts, moe_permute(x, ids, experts), ALIGNMENT)


@pytest.mark.parametrize(
    ("tokens", "count", "experts"), [(2, 2, 7), (3, 40, 3), (3, 300, 1000), (700, 8, 256)]
)
def test_more_experts_than_rows_and_many_choices_are_served(
    tokens: int, count: int, experts: int, device: torch.device
) -> None:
    """Nothing is aligned, so that no row is there to spare."""
    x = random(tokens, 16, device=device, dtype=torch.bfloat16)
    ids = choices(tokens, count, experts, device, torch.int64)
    check(x, ids, experts, moe_permute(x, ids, experts, alignment=1), 1)


@pytest.mark.parametrize("hidden", [7, 16, 7168])
@pytest.mark.parametrize("pad", [0, 3])
def test_rows_of_any_type_and_distance_are_moved_bit_for_bit(
    hidden: int, pad: int, device: torch.device
) -> None:
    """Quantised rows too; another alignment."""
    ids = choices(9, 2, 4, device, torch.int64)
    for dtype in (torch.bfloat16, torch.float32, torch.float8_e4m3fn):
        x = random(9, hidden, device=device, dtype=torch.float32, pad=pad).to(dtype)
        x = torch.nn.functional.pad(x.view(torch.uint8), (0, pad * x.element_size()))
        x = x.view(dtype)[:, : hidden + pad] if pad else x.view(dtype)
        view = x[:, :hidden]
        check(view, ids, 4, moe_permute(view, ids, 4, alignment=8), 8)


def test_no_tokens_and_no_slot_of_ours_leave_padding_alone(device: torch.device) -> None:
    """Every row is labelled all the same."""
    x = random(3, 16, device=device, dtype=torch.float32)
    elsewhere = torch.full((3, 2), 9, device=device)
    found = moe_permute(x, elsewhere, 4)
    assert bool((found.grouped_layout == -1).all())
    assert bool((found.row_of_slot == -1).all())
    found = moe_permute(x[:0], elsewhere[:0], 4)
    assert found.rows.shape == (0, 16)
    assert found.group_sizes.tolist() == [0, 0, 0, 0]


def test_operands_that_do_not_fit_are_named(device: torch.device) -> None:
    """Too few rows would be written beyond their end."""
    x = random(3, 16, device=device, dtype=torch.float32)
    ids = torch.zeros((3, 2), device=device, dtype=torch.int32)
    rows, layout, slots, sizes = moe_permute(x, ids, 4)
    call = torch.ops._C.moe_permute
    for operands, message in (
        ((x, ids, 0, 128, rows, layout, slots, sizes), "num_experts: expected more than 0, got 0"),
        ((x, ids, 4, 0, rows, layout, slots, sizes), "alignment: expected more than 0, got 0"),
        ((x, ids, 4, 128, rows[:500], layout, slots, sizes), "expected at least 514 rows, got 500"),
        ((x, ids[:2], 4, 128, rows, layout, slots, sizes), r"topk_ids: expected \(3, choices\)"),
        ((x, ids, 4, 128, rows, layout.long(), slots, sizes), "layout: expected int32, got int64"),
        ((x, ids.float(), 4, 128, rows, layout, slots, sizes), "topk_ids: expected int32 or int64"),
    ):
        with pytest.raises(RuntimeError, match=message):
            call(*operands)
