"""silu(gate) * up quantised in one pass."""

from __future__ import annotations

import pytest
import torch

from tests.ops.reference import assert_quantised, random
from tests.ops.reference import silu_and_mul as reference
from vllm.utils.compiled_operators import silu_and_mul_per_token_group_quant_fp8


@pytest.mark.parametrize(("rows", "columns"), [(1, 128), (9, 1024), (33, 2048), (5, 136), (7, 77)])
@pytest.mark.parametrize("pad", [0, 3])
@pytest.mark.parametrize("column_major", [True, False])
def test_it_agrees_for_every_type_and_layout(
    rows: int, columns: int, pad: int, column_major: bool, dtype: torch.dtype, device: torch.device
) -> None:
    """The product is quantised as it is, not as its type would round it."""
    x = random(rows, 2 * columns, device=device, dtype=dtype, pad=pad)
    values, scales = silu_and_mul_per_token_group_quant_fp8(x, column_major_scales=column_major)
    assert_quantised(values, scales, reference(x))
    assert scales.stride(0) == (1 if column_major else scales.shape[1])


def test_no_rows_are_served(dtype: torch.dtype, device: torch.device) -> None:
    """An empty batch has no scale."""
    x = torch.empty(0, 512, device=device, dtype=dtype)
    values, scales = silu_and_mul_per_token_group_quant_fp8(x)
    assert (values.shape, scales.shape) == ((0, 256), (0, 2))


def test_an_output_as_wide_as_the_input_is_refused(device: torch.device) -> None:
    """The input has gate and up."""
    x = random(4, 256, device=device, dtype=torch.float32)
    q = x.to(torch.float8_e4m3fn)
    with pytest.raises(RuntimeError, match=r"output: expected \(4, 128\) for input \(4, 256\)"):
        torch.ops._C.silu_and_mul_per_token_group_quant_fp8(x, q, x[:, :2])
