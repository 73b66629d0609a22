"""Casts to packed e2m1, two values a byte: DeepGEMM's test generators import them on any GPU.

Limit: nothing here multiplies them; Hopper's tensor cores have no FP4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .math import ceil_div, scales_of

if TYPE_CHECKING:
    import torch

# The magnitudes of codes 0 to 7; bit 3 is the sign. Source: OCP Microscaling Formats 1.0, FP4 E2M1.
E2M1_MAGNITUDES = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)


def per_token_cast_to_fp4(
    x: torch.Tensor, use_ue8m0: bool = False, gran_k: int = 128
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return `x` in packed e2m1 and a scale factor for each row and `gran_k` columns.

    A value halfway between two magnitudes becomes the smaller.

    Shapes: (rows, columns) -> (rows, columns / 2) int8, the first of two values in the low bits;
        (rows, ceil(columns / gran_k)) f32.
    Raises: ValueError for an odd number of columns.
    Source: DeepGEMM 2.6.1, `per_token_cast_to_fp4`.
    """
    import torch

    if x.dim() != 2 or x.shape[1] % 2 != 0:
        raise ValueError(f"x: expected a matrix of even columns, got shape {tuple(x.shape)}")
    rows, columns = x.shape
    blocks = ceil_div(columns, gran_k)
    padded = x.new_zeros(rows, blocks * gran_k, dtype=torch.float32)
    padded[:, :columns] = x
    grid = padded.view(rows, blocks, gran_k)
    largest = grid.abs().amax(dim=2, keepdim=True)
    scales = scales_of(largest, E2M1_MAGNITUDES[-1], use_ue8m0)
    codes = _nearest_codes(grid * (1.0 / scales)).view(rows, blocks * gran_k)
    return _pack(codes[:, :columns]), scales.view(rows, blocks)


def transpose_packed_fp4(a: torch.Tensor) -> torch.Tensor:
    """Return the transpose of a packed matrix, packed along its own rows.

    Shapes: (rows, columns / 2) int8 -> (columns, rows / 2) int8.
    Raises: ValueError for another type, or an odd number of rows.
    """
    import torch

    if a.dim() != 2 or a.dtype != torch.int8 or a.shape[0] % 2 != 0:
        raise ValueError(f"a: expected int8 of even rows, got {a.dtype} {tuple(a.shape)}")
    codes = torch.stack((a & 15, (a >> 4) & 15), dim=2).view(a.shape[0], 2 * a.shape[1])
    return _pack(codes.T)


def _nearest_codes(x: torch.Tensor) -> torch.Tensor:
    import torch

    magnitudes = torch.tensor(E2M1_MAGNITUDES, device=x.device)
    halfway = (magnitudes[:-1] + magnitudes[1:]) / 2
    codes = torch.bucketize(x.abs(), halfway).to(torch.int8)
    return codes | ((x < 0) & (codes != 0)).to(torch.int8) << 3


def _pack(codes: torch.Tensor) -> torch.Tensor:
    return (codes[:, ::2] | codes[:, 1::2] << 4).contiguous()
