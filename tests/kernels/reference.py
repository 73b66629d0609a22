"""Random quantised operands and what their product is in float64."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch

from vllm.third_party.deep_gemm.utils import (
    ceil_div,
    per_block_cast_to_fp8,
    per_token_cast_to_fp8,
)

GRANULARITY = 128

# The relative error that an f32 result may have: the tensor core keeps about 14 bits of sums of
# e4m3 products over 128 of k, and f32 of bf16 products.
F32_OF_E4M3 = 1e-3
F32_OF_BF16 = 1e-4


@dataclass(frozen=True, kw_only=True)
class Quantised:
    """An e4m3 matrix, or one for each group, with its scale factors.

    Shapes: `values` ([groups,] rows, k), `scales` ([groups,] ceil(rows / rows_per_scale),
        ceil(k / 128)).
    """

    values: torch.Tensor
    scales: torch.Tensor
    rows_per_scale: int

    @cached_property
    def exact(self) -> torch.Tensor:
        """The float64 matrix that values and scale factors stand for."""
        rows, k = self.values.shape[-2:]
        return self.values.double() * expand(self.scales, self.rows_per_scale, rows, k).double()

    @property
    def pair(self) -> tuple[torch.Tensor, torch.Tensor]:
        return self.values, self.scales


def quantise(x: torch.Tensor, rows_per_scale: int) -> Quantised:
    """Quantise (rows, k) f32 with one scale for each row, or each 128 rows, and 128 of k."""
    cast = {1: per_token_cast_to_fp8, GRANULARITY: per_block_cast_to_fp8}[rows_per_scale]
    values, scales = cast(x)
    return Quantised(values=values, scales=scales, rows_per_scale=rows_per_scale)


def stack(parts: Sequence[Quantised]) -> Quantised:
    """Return matrices of one shape as groups."""
    values = torch.stack([part.values.view(torch.uint8) for part in parts])  # any torch can
    return Quantised(
        values=values.view(torch.float8_e4m3fn),
        scales=torch.stack([part.scales for part in parts]),
        rows_per_scale=parts[0].rows_per_scale,
    )


def expand(scales: torch.Tensor, rows_per_scale: int, rows: int, k: int) -> torch.Tensor:
    """Repeat each scale over the elements that it scales: ([groups,] rows, k)."""
    by_rows = scales.repeat_interleave(rows_per_scale, -2)[..., :rows, :]
    return by_rows.repeat_interleave(GRANULARITY, -1)[..., :k]


def uneven(rows: int, k: int, rows_per_scale: int, generator: torch.Generator) -> torch.Tensor:
    """Draw (rows, k) f32; magnitudes differ from block to block, so that a wrong scale shows."""
    device = generator.device
    x = torch.randn(rows, k, device=device, generator=generator)
    blocks = (ceil_div(rows, rows_per_scale), ceil_div(k, GRANULARITY))
    spread = torch.exp(2 * torch.rand(*blocks, device=device, generator=generator))
    x *= expand(spread, rows_per_scale, rows, k)
    return x


def quantised(rows: int, k: int, rows_per_scale: int, generator: torch.Generator) -> Quantised:
    """Draw a quantised (rows, k)."""
    return quantise(uneven(rows, k, rows_per_scale, generator), rows_per_scale)


def operands(
    m: int, n: int, k: int, device: torch.device, seed: int, *, rows_per_scale_b: int = GRANULARITY
) -> tuple[Quantised, Quantised]:
    """Fresh random A (m, k) and B (n, k)."""
    generator = torch.Generator(device=device).manual_seed(seed)
    return quantised(m, k, 1, generator), quantised(n, k, rows_per_scale_b, generator)


def relative_error(out: torch.Tensor, reference: torch.Tensor, typical: float = 0.0) -> float:
    """||out - reference|| / ||reference||, infinite where anything is not a number.

    `typical`: what ||reference|| is on average for operands of these magnitudes (`typical_norm`). A
    result of a few elements may come out far smaller by cancellation, which says nothing about the
    arithmetic.
    """
    norm = max(float(reference.norm()), typical, 1e-300)
    error = float((out.double() - reference).norm()) / norm
    return error if math.isfinite(error) else math.inf


def typical_norm(a: torch.Tensor, b: torch.Tensor) -> float:
    """Return the root of the mean of ||A @ B.T||^2 over random signs of the elements."""
    squares = a.double().square().sum(0) @ b.double().square().sum(0)
    return math.sqrt(float(squares))


def tolerance(reference: torch.Tensor, output: torch.dtype, f32: float = F32_OF_E4M3) -> float:
    """Return the relative error that a result of that type may have.

    A bf16 result is rounded to 8 bits, on average 1.7e-3, and a result of few elements may have bad
    luck: then what rounding the reference itself costs, and a tenth.
    """
    if output == torch.float32:
        return f32
    rounding = relative_error(reference.to(output), reference)
    return max(2e-3, 1.1 * rounding)


def share_of_tolerance(
    out: torch.Tensor,
    reference: torch.Tensor,
    a: torch.Tensor,
    b: torch.Tensor,
    f32: float = F32_OF_E4M3,
) -> float:
    """Return the relative error of `out` as a share of what it may be; above one it is wrong.

    `a` and `b` are the float64 operands of `reference`, which may have c added.
    """
    error = relative_error(out, reference, typical_norm(a, b))
    return error / tolerance(reference, out.dtype, f32)
