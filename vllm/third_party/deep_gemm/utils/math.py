"""Rounding, and casts of matrices to e4m3 with scale factors, as DeepGEMM's callers expect them.

A cast divides each block of elements by a scale factor that takes its largest magnitude to e4m3's,
448. It knows torch and no GPU.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    import torch

E4M3_MAX = 448.0
# A block whose largest magnitude is below this is scaled as if it were this: no division by zero.
# Source: DeepGEMM 2.6.1, `deep_gemm/utils/math.py`.
SMALLEST_MAGNITUDE = 1e-4


def ceil_div(x: int, y: int) -> int:
    """Return x / y, rounded up."""
    return -(-x // y)


def align(x: int, y: int) -> int:
    """Return the least multiple of `y` that is not below `x`."""
    return ceil_div(x, y) * y


def ceil_to_ue8m0(x: torch.Tensor) -> torch.Tensor:
    """Round magnitudes up to powers of two, within what eight bits of exponent hold."""
    import torch

    mantissa, exponent = torch.frexp(x.abs().float())  # mantissa in [0.5, 1), or 0 of 0
    exponent = exponent - (mantissa == 0.5).to(exponent.dtype)
    exponent = exponent.masked_fill(mantissa == 0, -126)
    return torch.ldexp(torch.ones_like(mantissa), exponent.clamp(-126, 127))


def per_token_cast_to_fp8(
    x: torch.Tensor, use_ue8m0: bool = False, gran_k: int = 128
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return `x` in e4m3 and a scale factor for each row and `gran_k` columns.

    Shapes: (rows, columns) -> (rows, columns), (rows, ceil(columns / gran_k)) f32.
    """
    return _cast_blocks(x, (1, gran_k), use_ue8m0)


def per_block_cast_to_fp8(
    x: torch.Tensor, use_ue8m0: bool = False, gran_k: int = 128
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return `x` in e4m3 and a scale factor for each `gran_k` rows and columns.

    Shapes: (rows, columns) -> (rows, columns), (ceil(rows / gran_k), ceil(columns / gran_k)) f32.
    """
    return _cast_blocks(x, (gran_k, gran_k), use_ue8m0)


def per_channel_cast_to_fp8(
    x: torch.Tensor, use_ue8m0: bool = False, gran_k: int = 128
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return `x` in e4m3 and a scale factor for each `gran_k` rows and column.

    Shapes: (rows, columns) -> (rows, columns), (rows / gran_k, columns) f32.
    Raises: ValueError unless `gran_k` divides the rows.
    """
    if x.dim() == 2 and x.shape[0] % gran_k != 0:
        raise ValueError(f"x: expected a multiple of {gran_k} rows, got shape {tuple(x.shape)}")
    return _cast_blocks(x, (gran_k, 1), use_ue8m0)


def per_custom_dims_cast_to_fp8(
    x: torch.Tensor, dims: Collection[int], use_ue8m0: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return `x` in e4m3 and a scale factor for each index of `dims`, one for all of the others.

    Shapes: any -> the same, the extents of `dims` (those of 1 are dropped) f32.
    """
    import torch

    others = tuple(dim for dim in range(x.dim()) if dim not in dims)
    scales = scales_of(x.abs().float().amax(dim=others, keepdim=True), E4M3_MAX, use_ue8m0)
    return (x * (1.0 / scales)).to(torch.float8_e4m3fn), scales.squeeze()


def _cast_blocks(
    x: torch.Tensor, block: tuple[int, int], use_ue8m0: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cast with one scale factor for each block; blocks at the edges are smaller."""
    import torch

    if x.dim() != 2:
        raise ValueError(f"x: expected a matrix, got shape {tuple(x.shape)}")
    rows, columns = x.shape
    counts = (ceil_div(rows, block[0]), ceil_div(columns, block[1]))
    padded = x
    if (counts[0] * block[0], counts[1] * block[1]) != (rows, columns):
        padded = x.new_zeros(counts[0] * block[0], counts[1] * block[1])
        padded[:rows, :columns] = x
    grid = padded.view(counts[0], block[0], counts[1], block[1])
    scales = scales_of(grid.abs().float().amax(dim=(1, 3), keepdim=True), E4M3_MAX, use_ue8m0)
    values = (grid * (1.0 / scales)).to(torch.float8_e4m3fn).view_as(padded)
    return values[:rows, :columns].contiguous(), scales.view(counts)


def scales_of(magnitudes: torch.Tensor, largest: float, use_ue8m0: bool) -> torch.Tensor:
    """Return what takes each block's largest magnitude to a type's `largest`."""
    scales = magnitudes.clamp(min=SMALLEST_MAGNITUDE) / largest
    return ceil_to_ue8m0(scales) if use_ue8m0 else scales
