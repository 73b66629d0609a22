"""How fast each pair of a head turns with its position: plain, Llama 3's scaling, YaRN; and tables
of the angles.

Units: frequencies are radians per position. Tables are computed in float64 and stored in float32.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch


@dataclass(frozen=True, kw_only=True)
class Llama3Scaling:
    """Llama 3.1's scaling: long wavelengths are stretched, short ones kept, those between
    interpolated.
    """

    factor: float = 8.0
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0
    original_max_position: int = 8192


@dataclass(frozen=True, kw_only=True)
class YarnScaling:
    """YaRN's scaling: pairs that turn rarely are interpolated, those that turn often
    extrapolated.
    """

    factor: float
    original_max_position: int
    beta_fast: float = 32.0
    beta_slow: float = 1.0
    extrapolation_factor: float = 1.0
    attention_factor: float = 1.0

    @property
    def magnitude(self) -> float:
        """Return what cos and sin are multiplied by. Source: YaRN (arXiv 2309.00071), equation
        22.
        """
        scaled = 0.1 * math.log(self.factor) + 1.0 if self.factor > 1 else 1.0
        return scaled * self.attention_factor


def base_frequencies(rotary_dim: int, base: float) -> torch.Tensor:
    """Return base ** (-2 i / rotary_dim) for each pair i.

    Shapes: (rotary_dim / 2,) float64.
    Source: RoFormer (arXiv 2104.09864), section 3.2.2.
    """
    if rotary_dim < 2 or rotary_dim % 2:
        raise ValueError(f"rotary_dim: expected an even number of elements, got {rotary_dim}")
    pairs = torch.arange(0, rotary_dim, 2, dtype=torch.float64)
    return torch.pow(torch.tensor(base, dtype=torch.float64), -pairs / rotary_dim)


def llama3_frequencies(rotary_dim: int, base: float, scaling: Llama3Scaling) -> torch.Tensor:
    """Return the frequencies of Llama 3.1's long context.

    Shapes: (rotary_dim / 2,) float64.
    Source: Meta's llama-models, `apply_scaling`.
    """
    plain = base_frequencies(rotary_dim, base)
    low, high = scaling.low_freq_factor, scaling.high_freq_factor
    turns = scaling.original_max_position * plain / (2 * math.pi)
    kept = ((turns - low) / (high - low)).clamp(0, 1)  # 1 for short wavelengths
    return plain * (kept + (1 - kept) / scaling.factor)


def yarn_frequencies(rotary_dim: int, base: float, scaling: YarnScaling) -> torch.Tensor:
    """Return YaRN's blend of interpolated and extrapolated frequencies.

    Shapes: (rotary_dim / 2,) float64.
    Source: YaRN (arXiv 2309.00071), section 3.2, with its released ramp over whole pairs.
    """
    plain = base_frequencies(rotary_dim, base)
    first = math.floor(_pair_of_turns(scaling.beta_fast, rotary_dim, base, scaling))
    last = math.ceil(_pair_of_turns(scaling.beta_slow, rotary_dim, base, scaling))
    first, last = max(first, 0), min(last, rotary_dim - 1)
    pairs = torch.arange(rotary_dim // 2, dtype=torch.float64)
    ramp = ((pairs - first) / max(last - first, 0.001)).clamp(0, 1)
    extrapolated = (1 - ramp) * scaling.extrapolation_factor
    return plain * extrapolated + plain / scaling.factor * (1 - extrapolated)


def _pair_of_turns(turns: float, rotary_dim: int, base: float, scaling: YarnScaling) -> float:
    """Return the (fractional) pair that turns that often over the original context."""
    ratio = scaling.original_max_position / (turns * 2 * math.pi)
    return rotary_dim * math.log(ratio) / (2 * math.log(base))


def table(frequencies: torch.Tensor, positions: int, magnitude: float = 1.0) -> torch.Tensor:
    """Return cos and sin of every position side by side.

    Shapes: frequencies (rotary / 2,) -> (positions, rotary) float32, cos before sin.
    """
    angles = torch.outer(torch.arange(positions, dtype=torch.float64), frequencies)
    return (torch.cat((angles.cos(), angles.sin()), dim=-1) * magnitude).float()
