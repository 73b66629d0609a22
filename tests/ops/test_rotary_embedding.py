"""Queries and keys turned by their positions."""

from __future__ import annotations

import pytest
import torch

from tests.ops.reference import assert_close, random, rotated
from vllm.utils.compiled_operators import rotary_embedding

ROWS = 64


def table_of(rotary: int, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """cos and sin of ROWS positions."""
    frequencies = 10000.0 ** -(torch.arange(0, rotary, 2, device=device) / rotary)
    angles = torch.outer(torch.arange(ROWS, device=device), frequencies)
    return torch.cat((angles.cos(), angles.sin()), dim=-1).to(dtype)


@pytest.mark.parametrize("neox", [True, False])
@pytest.mark.parametrize(("head", "rotary"), [(128, 128), (128, 64), (64, 32), (80, 20), (6, 6)])
@pytest.mark.parametrize("float_table", [True, False])
def test_in_place_and_out_of_place_agree_with_the_reference(
    neox: bool, head: int, rotary: int, float_table: bool, dtype: torch.dtype, device: torch.device
) -> None:
    """What is beyond the rotary part stays bit for bit; positions repeat and come in any order."""
    positions = torch.tensor([5, 0, 5, 63, 1], device=device)
    table = table_of(rotary, device, torch.float32 if float_table else dtype)
    query = random(5, 7 * head, device=device, dtype=dtype)
    key = random(5, 2, head, device=device, dtype=dtype, seed=1)
    turned, turned_key = rotary_embedding(positions, query, key, head, table, neox)
    assert turned_key is not None
    for x, found in ((query, turned), (key, turned_key)):
        heads = x.view(5, -1, head)
        assert_close(found.view(5, -1, head), rotated(heads, positions, table, neox=neox))
        assert torch.equal(found.view(5, -1, head)[..., rotary:], heads[..., rotary:])
    torch.ops._C.rotary_embedding(positions, query, key, head, table, neox)
    assert torch.equal(query, turned)
    assert torch.equal(key, turned_key)


@pytest.mark.parametrize("neox", [True, False])
def test_rows_at_odd_distances_and_int32_positions(
    neox: bool, dtype: torch.dtype, device: torch.device
) -> None:
    """Query and key as parts of one tensor, as a fused projection leaves them."""
    positions = torch.arange(9, device=device, dtype=torch.int32)
    table = table_of(64, device, torch.float32)
    for pad in (0, 1):
        fused = random(9, 64 * 6 + pad, device=device, dtype=dtype)
        before = fused.clone()
        query, key = fused[:, pad : 256 + pad], fused[:, 256 + pad :]
        torch.ops._C.rotary_embedding(positions, query, key, 64, table, neox)
        heads, turned = (x[:, pad:].reshape(9, 6, 64) for x in (before, fused))
        assert_close(turned, rotated(heads, positions, table, neox=neox))
        assert torch.equal(fused[:, :pad], before[:, :pad])


def test_no_key_no_tokens_and_no_heads_are_served(device: torch.device) -> None:
    """An empty batch launches nothing."""
    table = table_of(8, device, torch.float32)
    query = random(3, 16, device=device, dtype=torch.float32)
    turned, key = rotary_embedding(torch.arange(3, device=device), query, None, 8, table, True)
    assert key is None
    assert torch.equal(turned[0], query[0])
    assert not torch.equal(turned[1], query[1])
    empty = torch.empty(0, dtype=torch.int64, device=device)
    assert rotary_embedding(empty, query[:0], query[:0], 8, table, True)[0].shape == (0, 16)
    assert rotary_embedding(empty[:0], query[:0, :0], None, 8, table, True)[0].shape == (0, 0)


def test_operands_that_do_not_fit_are_named(device: torch.device) -> None:
    """Shapes, types, a table of another width."""
    x = random(3, 16, device=device, dtype=torch.float32)
    positions = torch.arange(3, device=device)
    table = table_of(8, device, torch.float32)
    call = torch.ops._C.rotary_embedding
    for operands, message in (
        ((positions, x, None, 9, table, True), r"query: expected \(tokens, heads \* 9\)"),
        (
            (positions[:2], x, None, 8, table, True),
            "query: expected 2 tokens as positions has, got 3",
        ),
        (
            (positions.float(), x, None, 8, table, True),
            "positions: expected int32 or int64, got fl",
        ),
        (
            (positions, x, None, 8, table.half(), True),
            "cos_sin_cache: expected float32, got float16",
        ),
        ((positions, x, None, 4, table, True), "an even rotary_dim of at most 4, got"),
        ((positions, x, x.half(), 8, table, True), "key: expected float32, got float16"),
    ):
        with pytest.raises(RuntimeError, match=message):
            call(*operands)


@pytest.mark.parametrize("position", [-1, ROWS])
def test_a_position_beyond_the_table_is_an_error_on_a_cpu(position: int) -> None:
    """A GPU's positions are not looked at, since that would wait for it."""
    x = torch.ones(1, 8)
    table = table_of(8, x.device, torch.float32)
    with pytest.raises(RuntimeError, match=f"the table's {ROWS} rows, got {position} for token 0"):
        torch.ops._C.rotary_embedding(torch.tensor([position]), x, None, 8, table, True)
    assert bool((x == 1).all())
