"""Tables of angles: against formulas written out one pair at a time."""

from __future__ import annotations

import math

import pytest
import torch

from vllm.model_executor.layers.rotary_embedding.frequencies import (
    Llama3Scaling,
    YarnScaling,
    base_frequencies,
    llama3_frequencies,
    table,
    yarn_frequencies,
)


def test_plain_frequencies_fall_geometrically() -> None:
    """From 1 towards 1 / base."""
    frequencies = base_frequencies(64, 10000.0)
    assert frequencies.dtype == torch.float64
    assert frequencies.tolist() == pytest.approx([10000 ** (-i / 32) for i in range(32)], rel=1e-14)


@pytest.mark.parametrize("rotary_dim", [0, 7])
def test_an_odd_rotary_part_is_refused(rotary_dim: int) -> None:
    """Pairs have two elements."""
    with pytest.raises(ValueError, match="rotary_dim: expected an even number"):
        base_frequencies(rotary_dim, 10000.0)


def test_llama_3_stretches_long_wavelengths_alone() -> None:
    """By wavelength: kept, interpolated, stretched."""
    scaling = Llama3Scaling()
    found = llama3_frequencies(128, 500000.0, scaling).tolist()
    kinds = set()
    for pair, frequency in enumerate(base_frequencies(128, 500000.0).tolist()):
        wavelength = 2 * math.pi / frequency
        if wavelength < 8192 / 4:
            kinds.add("kept")
            wanted = frequency
        elif wavelength > 8192:
            kinds.add("stretched")
            wanted = frequency / 8
        else:
            kinds.add("between")
            smooth = (8192 / wavelength - 1) / (4 - 1)
            wanted = (1 - smooth) * frequency / 8 + smooth * frequency
        assert found[pair] == pytest.approx(wanted, rel=1e-12), pair
    assert kinds == {"kept", "stretched", "between"}


def test_yarn_keeps_what_turns_often_and_interpolates_what_turns_rarely() -> None:
    """With a linear ramp between the two pairs where that changes."""
    scaling = YarnScaling(factor=4.0, original_max_position=4096)
    plain = base_frequencies(128, 10000.0).tolist()
    found = yarn_frequencies(128, 10000.0, scaling).tolist()

    def pair_of(turns: float) -> float:
        return 128 * math.log(4096 / (turns * 2 * math.pi)) / (2 * math.log(10000.0))

    first, last = math.floor(pair_of(32)), math.ceil(pair_of(1))
    assert 0 < first < last < 64
    for pair, frequency in enumerate(plain):
        ramp = min(max((pair - first) / (last - first), 0.0), 1.0)
        wanted = frequency * (1 - ramp) + frequency / 4 * ramp
        assert found[pair] == pytest.approx(wanted, rel=1e-12), pair
    assert found[0] == plain[0]
    assert found[-1] == pytest.approx(plain[-1] / 4)


def test_yarn_s_magnitude_grows_with_the_logarithm_of_the_factor() -> None:
    """And is one where nothing is scaled."""
    assert YarnScaling(factor=4, original_max_position=1).magnitude == pytest.approx(1.1386294)
    assert YarnScaling(factor=1, original_max_position=1).magnitude == 1.0


def test_a_table_holds_float64_angles_rounded_once() -> None:
    """At far positions float32 angles would be off by tenths of a radian's last digits."""
    frequencies = base_frequencies(64, 10000.0)
    made = table(frequencies, 131072, 2.0)
    assert (made.shape, made.dtype) == ((131072, 64), torch.float32)
    for position in (0, 1, 99991, 131071):
        wanted = [2 * f(position * w) for f in (math.cos, math.sin) for w in frequencies.tolist()]
        assert made[position].tolist() == pytest.approx(wanted, abs=2e-7)
