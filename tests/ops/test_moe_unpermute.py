"""The weighted sum of each token's rows."""

from __future__ import annotations

import pytest
import torch

from tests.ops.reference import assert_close, random
from vllm.utils.compiled_operators import moe_permute, moe_unpermute


@pytest.mark.parametrize("count", [1, 2, 4, 5, 8])
@pytest.mark.parametrize("hidden", [8, 77, 1024, 7168])
@pytest.mark.parametrize("pad", [0, 3])
def test_it_agrees_for_every_type_and_layout(
    count: int, hidden: int, pad: int, dtype: torch.dtype, device: torch.device
) -> None:
    """Slots of other ranks add nothing, not even their weight."""
    tokens = 6
    permuted = random(40, hidden, device=device, dtype=dtype, pad=pad)
    generator = torch.Generator().manual_seed(count)
    rows = torch.randint(-1, 40, (tokens, count), generator=generator, dtype=torch.int32).to(device)
    weights = torch.rand(tokens, count, generator=generator).to(device)
    for factors in (weights, None):
        chosen = permuted.double()[rows.long().clamp(min=0)] * (rows >= 0).unsqueeze(-1)
        scaled = chosen if factors is None else chosen * factors.double().unsqueeze(-1)
        found = moe_unpermute(permuted, rows, factors)
        # Terms cancel: float32 keeps the error of the largest.
        slack = 1.0 + float(scaled.abs().sum(1).max())
        assert float((found.double() - scaled.sum(1)).abs().max()) <= slack * 2.0**-8
        if dtype == torch.float32:
            assert float((found.double() - scaled.sum(1)).abs().max()) <= slack * 1e-6
        elif count == 1:
            assert_close(found, scaled.sum(1))


def test_it_undoes_the_permutation(dtype: torch.dtype, device: torch.device) -> None:
    """Weights that add up to one give the rows back."""
    x = random(50, 256, device=device, dtype=dtype)
    ids = torch.stack([torch.randperm(6)[:2] for _ in range(50)]).to(device)
    permuted = moe_permute(x, ids, 6)
    halves = torch.full((50, 2), 0.5, device=device)
    assert torch.equal(moe_unpermute(permuted.rows, permuted.row_of_slot, halves), x)


def test_no_tokens_are_served_and_a_token_without_rows_is_zero(device: torch.device) -> None:
    """All its experts are elsewhere."""
    rows = random(4, 16, device=device, dtype=torch.float32)
    none = torch.full((2, 3), -1, device=device, dtype=torch.int32)
    assert moe_unpermute(rows, none).tolist() == [[0.0] * 16] * 2
    assert moe_unpermute(rows, none[:0]).shape == (0, 16)


def test_operands_that_do_not_fit_are_named(device: torch.device) -> None:
    """Shapes and types."""
    rows = random(4, 16, device=device, dtype=torch.float32)
    slots = torch.zeros((2, 3), device=device, dtype=torch.int32)
    for operands, message in (
        ((rows, slots.long(), None, rows[:2]), "row_of_slot: expected int32, got int64"),
        ((rows, slots, None, rows[:3]), r"row_of_slot: expected \(3, choices\), got \(2, 3\)"),
        ((rows, slots, rows[:2, :2], rows[2:]), r"topk_weights: expected shape \(2, 3\)"),
        ((rows, slots, None, rows[:2].half()), "output: expected float32, got float16"),
    ):
        with pytest.raises(RuntimeError, match=message):
            torch.ops._C.moe_unpermute(*operands)
