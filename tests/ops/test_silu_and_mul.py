"""silu(gate) * up."""

from __future__ import annotations

import pytest
import torch

from tests.ops.reference import assert_close, random
from tests.ops.reference import silu_and_mul as reference
from vllm.utils.compiled_operators import silu_and_mul


@pytest.mark.parametrize(("rows", "columns"), [(1, 8), (7, 128), (33, 1000), (5, 7168), (3, 7)])
@pytest.mark.parametrize("pad", [0, 3])
def test_it_agrees_for_every_type_and_layout(
    rows: int, columns: int, pad: int, dtype: torch.dtype, device: torch.device
) -> None:
    """Whole words, tails, and rows at which no word is aligned."""
    x = random(rows, 2 * columns, device=device, dtype=dtype, pad=pad)
    assert_close(silu_and_mul(x), reference(x))


def test_it_writes_rows_of_any_distance_and_nothing_beside_them(
    dtype: torch.dtype, device: torch.device
) -> None:
    """The result may be a part of a wider tensor."""
    x = random(6, 64, device=device, dtype=dtype)
    wide = torch.full((6, 40), 7.0, device=device, dtype=dtype)
    torch.ops._C.silu_and_mul(wide[:, 3:35], x)
    assert_close(wide[:, 3:35], reference(x))
    assert bool((wide[:, :3] == 7).all())
    assert bool((wide[:, 35:] == 7).all())


def test_large_and_small_gates_stay_numbers(dtype: torch.dtype, device: torch.device) -> None:
    """e^-x leaves float32's range on either side; what is no number stays none."""
    gate = [-1e4, -100.0, -88.5, -20.0, -0.0, 20.0, 88.5, 1e4]
    x = torch.tensor([gate + [1.0] * 8], device=device, dtype=dtype)
    assert_close(silu_and_mul(x), reference(x))
    broken = torch.tensor([[torch.nan, 1.0]], device=device, dtype=dtype)
    assert bool(silu_and_mul(broken).isnan().all())


def test_leading_dimensions_and_no_rows_are_served(
    dtype: torch.dtype, device: torch.device
) -> None:
    """(batch, tokens, 2 n), and an empty batch."""
    x = random(2, 3, 32, device=device, dtype=dtype)
    assert_close(silu_and_mul(x), reference(x))
    assert silu_and_mul(x[:0]).shape == (0, 3, 16)


def test_operands_that_do_not_fit_are_named(device: torch.device) -> None:
    """Shape, type, stride."""
    x = random(4, 32, device=device, dtype=torch.float32)
    out = x.new_empty(4, 16)
    for result, given, message in (
        (out[:, :15], x, r"result: expected \(4, 16\) for input \(4, 32\), got \(4, 15\)"),
        (out.half(), x, "result: expected float32, got float16"),
        (out, x.repeat(1, 2)[:, ::2], "input: expected a dense last dimension, got stride 2"),
        (out.int(), x.int(), "input: expected bfloat16, float16 or float32, got int32"),
    ):
        with pytest.raises(RuntimeError, match=message):
            torch.ops._C.silu_and_mul(result, given)
