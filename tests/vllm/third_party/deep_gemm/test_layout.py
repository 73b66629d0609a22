"""Layout functions of scale factors."""

from __future__ import annotations

import pytest
import torch

from vllm.third_party import deep_gemm


@pytest.mark.parametrize(
    ("extent", "size", "aligned"), [(1, 4, 4), (4, 4, 4), (5, 4, 8), (7, 2, 8)]
)
def test_sizes_are_rounded_up_to_16_bytes(extent: int, size: int, aligned: int) -> None:
    """A column of that many elements starts the next one at a multiple of 16 bytes."""
    assert deep_gemm.get_tma_aligned_size(extent, size) == aligned


def test_an_element_size_that_does_not_divide_16_is_refused() -> None:
    """No alignment in elements exists for it."""
    with pytest.raises(ValueError, match="element_bytes: expected a divisor of 16, got 3"):
        deep_gemm.get_tma_aligned_size(5, 3)


@pytest.mark.parametrize("shape", [(5, 3), (4, 1), (1, 7), (2, 9, 4)])
def test_scales_become_mn_major_and_aligned(shape: tuple[int, ...]) -> None:
    """Values stay, the last but one dimension is dense, columns are aligned."""
    x = torch.randn(shape)
    result = deep_gemm.get_mn_major_tma_aligned_tensor(x)
    aligned = deep_gemm.get_tma_aligned_size(shape[-2], 4)
    assert torch.equal(result, x)
    assert result.stride()[-2:] == (1, aligned)
    assert result.data_ptr() % 16 == 0


def test_scales_that_are_laid_out_so_are_returned_as_they_are() -> None:
    """No copy where none is needed."""
    once = deep_gemm.get_mn_major_tma_aligned_tensor(torch.randn(2, 9, 4))
    assert deep_gemm.get_mn_major_tma_aligned_tensor(once) is once


def test_per_row_scales_are_transformed_and_per_block_scales_are_not() -> None:
    """The recipe decides, in both of its spellings."""
    rows, blocks = torch.randn(300, 8), torch.randn(3, 8)
    transform = deep_gemm.transform_sf_into_required_layout
    assert transform(rows, 300, 1024, (1, 128)).stride() == (1, 300)
    assert transform(rows, 300, 1024, (1, 128, 128), is_sfa=True).stride() == (1, 300)
    assert transform(blocks, 300, 1024, (128, 128)) is blocks
    assert transform(blocks, 300, 1024, (1, 128, 128), is_sfa=False) is blocks
    grouped = torch.randn(2, 300, 8)
    assert transform(grouped, 300, 1024, (1, 128), num_groups=2).shape == (2, 300, 8)


@pytest.mark.parametrize(
    ("scales", "recipe", "message"),
    [
        (torch.zeros(300, 7), (1, 128), r"expected shape \(300, 8\), got \(300, 7\)"),
        (torch.zeros(300, 8), (1, 64), r"recipe: expected \(1, 128\) or \(128, 128\)"),
        (torch.zeros(300, 8), (1, 128, 128), r"is_sfa=None"),
        (torch.zeros(300, 8, dtype=torch.int32), (1, 128), "packed UE8M0"),
    ],
)
def test_what_does_not_fit_is_refused(
    scales: torch.Tensor, recipe: tuple[int, ...], message: str
) -> None:
    """Shape, recipe and type are named."""
    with pytest.raises(ValueError, match=message):
        deep_gemm.transform_sf_into_required_layout(scales, 300, 1024, recipe)
