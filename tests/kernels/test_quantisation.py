"""The casts to e4m3 where kernels' operands are made: on the GPU."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from tests.kernels.reference import GRANULARITY, expand, relative_error
from vllm.third_party import deep_gemm
from vllm.third_party.deep_gemm.utils import (
    per_block_cast_to_fp8,
    per_channel_cast_to_fp8,
    per_token_cast_to_fp8,
)

pytestmark = pytest.mark.hopper

Cast = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
# e4m3 has three bits behind the leading one, and its smallest step is 2^-9.
HALF_A_STEP = 2**-4
HALF_THE_SMALLEST_STEP = 2**-10


def drawn(rows: int, columns: int, device: torch.device) -> torch.Tensor:
    """Magnitudes from 2^-8 to 2^8, so that small ones of a block come near the smallest step."""
    generator = torch.Generator().manual_seed(rows * columns)
    x = torch.randn(rows, columns, generator=generator)
    return (x * torch.exp2(16 * torch.rand(rows, columns, generator=generator) - 8)).to(device)


def scale_of_each(
    cast: Cast, scales: torch.Tensor, x: torch.Tensor
) -> torch.Tensor:  # (rows, columns)
    """Repeat each scale factor over what it scales."""
    if cast is per_channel_cast_to_fp8:
        return expand(scales.T, 1, x.shape[1], x.shape[0]).T
    return expand(scales, 1 if cast is per_token_cast_to_fp8 else GRANULARITY, *x.shape)


@pytest.mark.parametrize(
    "cast", [per_token_cast_to_fp8, per_block_cast_to_fp8, per_channel_cast_to_fp8]
)
def test_a_cast_is_off_by_half_a_step_at_most(cast: Cast, device: torch.device) -> None:
    """Rows, blocks and channels: the value and its scale factor multiply to what was there."""
    x = drawn(384, 640, device)
    values, scales = cast(x)
    scale = scale_of_each(cast, scales, x).double()
    off = (values.double() * scale - x.double()).abs()
    allowed = torch.maximum(x.double().abs() * HALF_A_STEP, scale * HALF_THE_SMALLEST_STEP)
    assert bool((off <= allowed * (1 + 1e-6)).all())


def test_cast_operands_multiply_to_nearly_the_product(device: torch.device) -> None:
    """What a caller does: cast both, multiply; off by what e4m3 keeps of a number."""
    a, b = (torch.randn(rows, 1024, device=device) for rows in (256, 384))
    d = torch.empty(256, 384, dtype=torch.bfloat16, device=device)
    deep_gemm.fp8_gemm_nt(per_token_cast_to_fp8(a), per_block_cast_to_fp8(b), d)
    assert 1e-3 < relative_error(d, a.double() @ b.double().T) < 6e-2
