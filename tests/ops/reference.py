"""What the operators compute, in float64 and plainly; odd layouts to give them."""

from __future__ import annotations

import torch

DTYPES = (torch.bfloat16, torch.float16, torch.float32)
E4M3_MAX = 448.0
GROUP = 128
# Half of the last place of each type, relative; of float32 what exp and a sum of few add to it.
ROUNDING = {torch.bfloat16: 2.0**-8, torch.float16: 2.0**-11, torch.float32: 3e-6}


def random(
    *shape: int, device: torch.device, dtype: torch.dtype, seed: int = 0, pad: int = 0
) -> torch.Tensor:
    """Random numbers of a seed; with `pad`, rows lie that many elements further apart and the first
    begins one element late, so that no 16-byte access fits.
    """
    generator = torch.Generator(device=device).manual_seed(seed)
    wide = (*shape[:-1], shape[-1] + pad)
    x = torch.randn(wide, device=device, generator=generator).to(dtype)
    return x[..., 1 : shape[-1] + 1] if pad else x


def assert_close(found: torch.Tensor, exact: torch.Tensor, slack: float = 1.0) -> None:
    """Assert that a result is the float64 one, rounded once."""
    tolerance = slack * ROUNDING[found.dtype]
    tiny = 2.0**-24 if found.dtype == torch.float16 else 1e-6
    error = (found.double() - exact).abs()
    assert bool((error <= tolerance * exact.abs() + tiny).all()), float(error.max())


def silu_and_mul(x: torch.Tensor) -> torch.Tensor:
    """silu(gate) * up in float64."""
    gate, up = x.double().chunk(2, dim=-1)
    return gate / (1 + (-gate).exp()) * up


def scales_of(x: torch.Tensor, eps: float = 1e-10) -> torch.Tensor:
    """The scale of each group of 128 elements of (rows, n) float64."""
    rows, columns = x.shape
    groups = -(-columns // GROUP)
    padded = x.new_zeros(rows, groups * GROUP)
    padded[:, :columns] = x
    return padded.view(rows, groups, GROUP).abs().amax(dim=-1).clamp(min=eps) / E4M3_MAX


def assert_quantised(
    values: torch.Tensor, scales: torch.Tensor, exact: torch.Tensor, slack: float = 1e-5
) -> None:
    """Assert that scales are the reference's and each value the nearest e4m3 number.

    Half of e4m3's last place is 2^-4 of a number's power of two, and 2^-10 below 2^-6.
    """
    wanted = scales_of(exact)
    assert bool(((scales.double() - wanted).abs() <= slack * wanted).all())
    columns = exact.shape[1]
    scaled = exact / scales.double().repeat_interleave(GROUP, 1)[:, :columns]
    power = torch.exp2(torch.floor(torch.log2(scaled.abs().clamp(min=2.0**-6))))
    error = (values.double() - scaled).abs()
    assert bool((error <= power * 2.0**-4 * (1 + 1e-4) + slack * scaled.abs()).all())


def rotated(
    x: torch.Tensor, positions: torch.Tensor, table: torch.Tensor, *, neox: bool
) -> torch.Tensor:
    """(tokens, heads, head_size) with its rotary part turned, in float64."""
    cos, sin = table.double()[positions.long()].unsqueeze(1).chunk(2, dim=-1)
    half = cos.shape[-1]
    result = x.double().clone()
    first, second = (
        (slice(0, half), slice(half, 2 * half))
        if neox
        else (slice(0, 2 * half, 2), slice(1, 2 * half, 2))
    )
    a, b = x.double()[..., first], x.double()[..., second]
    result[..., first] = a * cos - b * sin
    result[..., second] = b * cos + a * sin
    return result
