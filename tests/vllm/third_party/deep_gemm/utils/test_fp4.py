"""Casts to packed e2m1."""

from __future__ import annotations

import pytest
import torch

from vllm.third_party.deep_gemm import utils
from vllm.third_party.deep_gemm.utils.fp4 import E2M1_MAGNITUDES


def unpacked(packed: torch.Tensor) -> torch.Tensor:
    """The values of a packed matrix, one code after the other."""
    codes = [[code for byte in row for code in (byte & 15, byte >> 4 & 15)] for row in packed]
    signed = [
        [E2M1_MAGNITUDES[int(code) & 7] * (-1 if int(code) & 8 else 1) for code in row]
        for row in codes
    ]
    return torch.tensor(signed)


def test_every_value_of_e2m1_is_kept() -> None:
    """Both signs of all magnitudes, at a scale factor of one; zero has one sign."""
    magnitudes = torch.tensor(E2M1_MAGNITUDES)
    x = torch.cat((magnitudes, -magnitudes))[None]
    packed, scales = utils.per_token_cast_to_fp4(x)
    assert packed.dtype == torch.int8
    assert packed.shape == (1, 8)
    assert float(scales[0, 0]) == 1.0
    assert torch.equal(unpacked(packed), x)


def test_others_become_the_nearest_and_ties_the_smaller() -> None:
    """6 fixes the scale factor."""
    x = torch.tensor([[6.0, 0.25, 0.26, -0.75, -0.76, 2.5, 3.4, 5.1]])
    expected = torch.tensor([[6.0, 0.0, 0.5, -0.5, -1.0, 2.0, 3.0, 6.0]])
    assert torch.equal(unpacked(utils.per_token_cast_to_fp4(x)[0]), expected)


def test_each_block_of_a_row_has_a_scale() -> None:
    """A tail is a block too."""
    x = torch.ones(2, 40)
    x[1, 32:] = 12.0
    packed, scales = utils.per_token_cast_to_fp4(x, gran_k=32)
    assert torch.allclose(scales, torch.tensor([[1 / 6, 1 / 6], [1 / 6, 2.0]]))
    assert bool((unpacked(packed) == 6.0).all())


def test_a_transpose_is_packed_anew() -> None:
    """Rows become columns, value by value, and twice is once."""
    packed, _ = utils.per_token_cast_to_fp4(torch.randn(6, 10))
    turned = utils.transpose_packed_fp4(packed)
    assert turned.shape == (10, 3)
    assert torch.equal(unpacked(turned), unpacked(packed).T)
    assert torch.equal(utils.transpose_packed_fp4(turned), packed)


def test_what_cannot_be_packed_is_refused() -> None:
    """Two values share a byte."""
    with pytest.raises(ValueError, match=r"x: expected a matrix of even columns, got shape \(2, 3"):
        utils.per_token_cast_to_fp4(torch.zeros(2, 3))
    with pytest.raises(ValueError, match=r"a: expected int8 of even rows, got torch.int8 \(3, 2\)"):
        utils.transpose_packed_fp4(torch.zeros(3, 2, dtype=torch.int8))
