"""Casts to e4m3 and the rounding that they rest on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from vllm.third_party.deep_gemm import utils

Cast = Callable[..., "tuple[torch.Tensor, torch.Tensor]"]
ROOT = Path(__file__).resolve().parents[5]
CASTS = [
    (utils.per_token_cast_to_fp8, (1, 128)),
    (utils.per_block_cast_to_fp8, (128, 128)),
    (utils.per_channel_cast_to_fp8, (128, 1)),
]


def expand(scales: torch.Tensor, block: tuple[int, int], shape: torch.Size) -> torch.Tensor:
    """Each element's scale factor."""
    wide = scales.repeat_interleave(block[0], 0).repeat_interleave(block[1], 1)
    return wide[: shape[0], : shape[1]]


def test_extents_are_rounded_up() -> None:
    """ceil_div rounds the quotient, align the extent."""
    assert [utils.ceil_div(x, 128) for x in (0, 1, 128, 129)] == [0, 1, 1, 2]
    assert [utils.align(x, 128) for x in (0, 1, 128, 129)] == [0, 128, 128, 256]


@pytest.mark.parametrize(("cast", "block"), CASTS)
@pytest.mark.parametrize("use_ue8m0", [False, True])
def test_a_cast_times_its_scales_is_the_matrix(
    cast: Cast, block: tuple[int, int], use_ue8m0: bool
) -> None:
    """Within half a unit of e4m3's last place, 1/16 of the value; tails included."""
    generator = torch.Generator().manual_seed(1)
    spread = torch.exp(3 * torch.randn(256, 200, generator=generator))
    x = torch.randn(256, 200, generator=generator) * spread
    values, scales = cast(x, use_ue8m0=use_ue8m0)
    factors = expand(scales, block, x.shape)
    assert values.dtype == torch.float8_e4m3fn
    assert values.is_contiguous()
    error = (values.float() * factors - x).abs()
    # Below e4m3's smallest normal number the step is a fixed part of the scale factor.
    assert bool((error <= x.abs() / 16 + factors * 2**-10).all())
    assert float(values.float().abs().max()) > 224  # the range is used


@pytest.mark.parametrize(("cast", "block"), CASTS)
def test_the_largest_magnitude_of_a_block_becomes_448(cast: Cast, block: tuple[int, int]) -> None:
    """A scale factor is its own block's, not a neighbour's."""
    x = torch.ones(256, 256)
    x[0, 0] = 896.0
    values, scales = cast(x)
    assert float(scales.flatten()[0]) == 2.0
    assert float(values[0, 0]) == 448.0
    assert bool((scales.flatten()[1:] == 1 / 448).all())
    assert bool((expand(scales, block, x.shape)[values.float() == 448] * 448 >= 1).all())


def test_ragged_matrices_have_a_scale_for_each_part_of_a_block() -> None:
    """Numbers of scale factors are rounded up, and padding adds nothing."""
    x = torch.randn(130, 200)
    assert utils.per_token_cast_to_fp8(x)[1].shape == (130, 2)
    assert utils.per_block_cast_to_fp8(x)[1].shape == (2, 2)
    corner = x[128:, 128:].abs().max() / 448
    assert torch.equal(utils.per_block_cast_to_fp8(x)[1][1, 1], corner)


def test_a_granularity_is_an_argument() -> None:
    """Blocks of 64 columns have scale factors of their own."""
    assert utils.per_token_cast_to_fp8(torch.randn(4, 200), False, 64)[1].shape == (4, 4)


def test_a_matrix_of_zeros_is_cast_to_zeros() -> None:
    """No division by zero."""
    values, scales = utils.per_token_cast_to_fp8(torch.zeros(3, 128))
    assert bool((values.float() == 0).all())
    assert bool((scales > 0).all())


def test_custom_dimensions_keep_a_scale_each() -> None:
    """The other dimensions share one."""
    x = torch.randn(5, 7, 16)
    values, scales = utils.per_custom_dims_cast_to_fp8(x, (0, 1))
    assert scales.shape == (5, 7)
    assert torch.equal(scales, x.abs().amax(dim=2) / 448)
    assert float((values.float() * scales[..., None] - x).abs().max()) < 0.3


def test_scales_are_rounded_up_to_powers_of_two() -> None:
    """A power of two stays, anything above becomes the next; zero is the least exponent."""
    x = torch.tensor([1.0, 1.0001, 2.0, 3.0, 0.5, 0.75, 0.0, -5.0])
    expected = torch.tensor([1.0, 2.0, 2.0, 4.0, 0.5, 1.0, 2.0**-126, 8.0])
    assert torch.equal(utils.ceil_to_ue8m0(x), expected)


@pytest.mark.parametrize(
    ("cast", "shape", "message"),
    [
        (utils.per_token_cast_to_fp8, (3, 4, 5), r"x: expected a matrix, got shape \(3, 4, 5\)"),
        (utils.per_channel_cast_to_fp8, (130, 4), "x: expected a multiple of 128 rows"),
    ],
)
def test_what_cannot_be_cast_is_refused(cast: Cast, shape: tuple[int, ...], message: str) -> None:
    """The shape is in the message."""
    with pytest.raises(ValueError, match=message):
        cast(torch.zeros(shape))


def test_both_submodules_import_without_torch() -> None:
    """A package that is looked at, not used, costs no import of torch."""
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "from vllm.third_party.deep_gemm import testing, utils\n"
        "print(utils.align(5, 4), testing.count_bytes(None))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["8", "0"], done.stderr


def test_an_unknown_name_is_an_attribute_error() -> None:
    """Settings are looked up late, misspelt ones are still told."""
    with pytest.raises(AttributeError, match="no attribute 'algin'"):
        utils.algin  # noqa: B018
