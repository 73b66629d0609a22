"""Random quantised operands and what their product is in float64."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

E4M3_MAX = 448.0
GRANULARITY = 128


@dataclass(frozen=True, kw_only=True)
class Quantised:
    """An e4m3 matrix with its scale factors, and the float64 matrix that the two stand for."""

    values: torch.Tensor
    scales: torch.Tensor
    exact: torch.Tensor

    @property
    def pair(self) -> tuple[torch.Tensor, torch.Tensor]:
        return self.values, self.scales


def quantise(x: torch.Tensor, rows_per_scale: int) -> Quantised:
    """Quantise (rows, k) f32 with one scale for each `rows_per_scale` x 128 block."""
    rows, k = x.shape
    blocks = (-(-rows // rows_per_scale), -(-k // GRANULARITY))
    padded = x.new_zeros(blocks[0] * rows_per_scale, blocks[1] * GRANULARITY)
    padded[:rows, :k] = x
    grid = padded.view(blocks[0], rows_per_scale, blocks[1], GRANULARITY)
    scales = (grid.abs().amax(dim=(1, 3)) / E4M3_MAX).clamp(min=1e-12)
    values = (x / expand(scales, rows_per_scale, rows, k)).to(torch.float8_e4m3fn)
    exact = values.double() * expand(scales, rows_per_scale, rows, k).double()
    return Quantised(values=values, scales=scales, exact=exact)


def expand(scales: torch.Tensor, rows_per_scale: int, rows: int, k: int) -> torch.Tensor:
    """Repeat each scale over the elements that it scales: (rows, k)."""
    return scales.repeat_interleave(rows_per_scale, 0)[:rows].repeat_interleave(GRANULARITY, 1)[
        :, :k
    ]


def operands(
    m: int, n: int, k: int, device: torch.device, seed: int
) -> tuple[Quantised, Quantised]:
    """Fresh random A (m, k) and B (n, k); magnitudes differ from block to block, so that a wrong
    scale shows."""
    generator = torch.Generator(device=device).manual_seed(seed)

    def matrix(rows: int, rows_per_scale: int) -> Quantised:
        x = torch.randn(rows, k, device=device, generator=generator)
        blocks = (-(-rows // rows_per_scale), -(-k // GRANULARITY))
        spread = torch.exp(2 * torch.rand(*blocks, device=device, generator=generator))
        x *= expand(spread, rows_per_scale, rows, k)
        return quantise(x, rows_per_scale)

    return matrix(m, 1), matrix(n, GRANULARITY)


def relative_error(out: torch.Tensor, reference: torch.Tensor, typical: float = 0.0) -> float:
    """||out - reference|| / ||reference||, infinite where anything is not a number.

    `typical`: what ||reference|| is on average for operands of these magnitudes (`typical_norm`). A
    result of a few elements may come out far smaller by cancellation, which says nothing about the
    arithmetic.
    """
    norm = max(float(reference.norm()), typical, 1e-300)
    error = float((out.double() - reference).norm()) / norm
    return error if math.isfinite(error) else math.inf


def typical_norm(a: Quantised, b: Quantised) -> float:
    """Return the root of the mean of ||A @ B.T||^2 over random signs of the elements."""
    return math.sqrt(float(a.exact.square().sum(0) @ b.exact.square().sum(0)))


def tolerance(reference: torch.Tensor, output: torch.dtype) -> float:
    """Return the relative error that a result of that type may have.

    A bf16 result is rounded to 8 bits, on average 1.7e-3, and a result of few elements may have bad
    luck: then what rounding the reference itself costs, and a tenth. An f32 result shows what the
    tensor core keeps over 128 of k.
    """
    if output == torch.float32:
        return 1e-3
    rounding = relative_error(reference.to(output), reference)
    return max(2e-3, 1.1 * rounding)
