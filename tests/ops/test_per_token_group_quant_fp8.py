"""Rows quantised to e4m3 by groups of 128."""

from __future__ import annotations

import pytest
import torch

from tests.ops.reference import assert_quantised, random
from vllm.utils.compiled_operators import per_token_group_quant_fp8


@pytest.mark.parametrize(
    ("rows", "columns"), [(1, 128), (4, 256), (9, 1024), (33, 7168), (5, 136), (7, 77)]
)
@pytest.mark.parametrize("pad", [0, 3])
@pytest.mark.parametrize("column_major", [True, False])
def test_it_agrees_for_every_type_and_layout(
    rows: int, columns: int, pad: int, column_major: bool, dtype: torch.dtype, device: torch.device
) -> None:
    """Each value is the nearest; groups of a row differ in magnitude, the last may be short."""
    x = random(rows, columns, device=device, dtype=dtype, pad=pad)
    x *= torch.logspace(-1, 1, columns, device=device).to(dtype)
    values, scales = per_token_group_quant_fp8(x, column_major_scales=column_major)
    assert_quantised(values, scales, x.double())


@pytest.mark.parametrize("rows", [1, 3, 4, 130])
def test_scales_lie_as_the_gemm_wants_them(rows: int, device: torch.device) -> None:
    """MN-major, columns 16-byte aligned: what DeepGEMM's own layout function returns as it is."""
    x = random(rows, 512, device=device, dtype=torch.bfloat16)
    _, scales = per_token_group_quant_fp8(x)
    assert scales.stride() == (1, -(-rows // 4) * 4)
    assert scales.data_ptr() % 16 == 0
    _, plain = per_token_group_quant_fp8(x, column_major_scales=False)
    assert plain.is_contiguous()
    assert torch.equal(scales, plain)


def test_every_e4m3_number_survives_and_ties_go_to_even(device: torch.device) -> None:
    """With a scale of one, what e4m3 can say is kept, and halfway goes where torch sends it."""
    numbers = torch.arange(256, dtype=torch.uint8).view(torch.float8_e4m3fn).float()
    finite = numbers[numbers.isfinite()].sort().values
    halfway = (finite[1:] + finite[:-1]) / 2
    x = torch.cat((finite, halfway))
    groups = [torch.cat((part, torch.tensor([448.0]))) for part in x.split(127)]
    rows = torch.stack([torch.nn.functional.pad(group, (0, 128 - len(group))) for group in groups])
    values, scales = per_token_group_quant_fp8(rows.to(device))
    assert bool((scales == 1).all())
    assert torch.equal(values.float().cpu(), rows.to(torch.float8_e4m3fn).float())


def test_zeros_and_what_is_no_number(dtype: torch.dtype, device: torch.device) -> None:
    """Zeros get the smallest scale; a group with a NaN says so, its neighbours do not."""
    x = torch.zeros(2, 256, device=device, dtype=dtype)
    x[1, 5] = torch.nan
    values, scales = per_token_group_quant_fp8(x, eps=4.48)
    assert scales[0].tolist() == pytest.approx([0.01, 0.01])
    assert bool((values[0].float() == 0).all())
    assert scales.isnan().tolist() == [[False, False], [True, False]]
    assert bool(values[1, :128].float().isnan().all())
    assert bool((values[1, 128:].float() == 0).all())


def test_no_rows_are_served(dtype: torch.dtype, device: torch.device) -> None:
    """An empty batch has no scale."""
    values, scales = per_token_group_quant_fp8(torch.empty(0, 256, device=device, dtype=dtype))
    assert values.shape == (0, 256)
    assert scales.shape == (0, 2)


def test_operands_that_do_not_fit_are_named(device: torch.device) -> None:
    """Group size, types, shapes."""
    x = random(4, 256, device=device, dtype=torch.float32)
    q, s = per_token_group_quant_fp8(x)
    call = torch.ops._C.per_token_group_quant_fp8
    for operands, message in (
        ((x, q, s, 64), "group_size: expected 128, got 64"),
        ((x, q, s, 128, 0.0), "eps: expected more than 0, got 0"),
        ((x, q.float(), s), "output: expected float8_e4m3fn, got float32"),
        ((x, q, s[:, :1]), r"scales: expected shape \(4, 2\), got \(4, 1\)"),
        ((x[:3], q, s), r"output: expected \(3, 256\) for input \(3, 256\), got \(4, 256\)"),
    ):
        with pytest.raises(RuntimeError, match=message):
            call(*operands)
