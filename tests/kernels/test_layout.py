"""Scale factors of any layout, and operands' own: the kernels read what the strides say."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from tests.kernels.cases.case import poisoned, same_bits
from tests.kernels.cases.dense import ROW_SCALES
from tests.kernels.reference import (
    Quantised,
    operands,
    quantised,
    share_of_tolerance,
    stack,
)
from vllm.third_party import deep_gemm

pytestmark = pytest.mark.hopper

Layout = Callable[[torch.Tensor], torch.Tensor]


def spread_out(scales: torch.Tensor) -> torch.Tensor:
    """The same values as a slice of every second row and every third column of a larger tensor."""
    shape = (*scales.shape[:-2], 2 * scales.shape[-2], 3 * scales.shape[-1])
    return scales.new_zeros(shape)[..., ::2, ::3].copy_(scales)


LAYOUTS: dict[str, Layout] = {
    "aligned": deep_gemm.get_mn_major_tma_aligned_tensor,
    "mn-major": lambda scales: scales.mT.contiguous().mT,
    "row-major": torch.Tensor.contiguous,
    "spread out": spread_out,
}


@pytest.mark.parametrize("shape", [(5, 3), (133, 56), (4096, 1), (3, 129, 7)])
def test_scales_keep_their_values(shape: tuple[int, ...], device: torch.device) -> None:
    """Whatever the layout before; afterwards columns start at multiples of 16 bytes."""
    scales = torch.randn(shape, device=device)
    for layout in LAYOUTS.values():
        result = deep_gemm.get_mn_major_tma_aligned_tensor(layout(scales))
        assert torch.equal(result, scales)
        assert result.stride()[-2:] == (1, deep_gemm.get_tma_aligned_size(shape[-2], 4))
        assert result.data_ptr() % 16 == 0


def results(
    call: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], object],
    scales: tuple[torch.Tensor, torch.Tensor],
    d: torch.Tensor,
) -> list[torch.Tensor]:
    """What a call writes for each layout of scale_a, then for each of scale_b."""
    pairs = [(layout(scales[0]), scales[1]) for layout in LAYOUTS.values()]
    pairs += [(scales[0], layout(scales[1])) for layout in LAYOUTS.values()]
    written = []
    for scale_a, scale_b in pairs:
        d.fill_(float("nan"))
        call(scale_a, scale_b, d)
        written.append(d.clone())
    return written


@pytest.mark.parametrize("rows", [1, 133, 1029])
def test_row_scales_of_any_layout_give_the_same_bits(rows: int, device: torch.device) -> None:
    """Recipe (1, 1, 128): both operands' scale factors are laid out by the library."""
    a, b = operands(rows, 260, 1040, device, seed=5, rows_per_scale_b=1)
    d = poisoned(rows, 260, dtype=torch.float32, device=device)
    written = results(
        lambda scale_a, scale_b, out: deep_gemm.fp8_gemm_nt(
            (a.values, scale_a), (b.values, scale_b), out, recipe=ROW_SCALES
        ),
        (a.scales, b.scales),
        d,
    )
    assert share_of_tolerance(written[0], a.exact @ b.exact.T, a.exact, b.exact) < 1
    assert all(same_bits(written[0], other) for other in written[1:])


def drawn(rows: int, device: torch.device) -> tuple[Quantised, Quantised]:
    """A (rows, 1040) and two groups of B (260, 1040)."""
    generator = torch.Generator(device=device).manual_seed(6)
    a = quantised(rows, 1040, 1, generator)
    return a, stack([quantised(260, 1040, 128, generator) for _ in range(2)])


def test_grouped_scales_of_any_layout_give_the_same_bits(device: torch.device) -> None:
    """Contiguous: scale_b has strides between its groups too."""
    a, b = drawn(256, device)
    layout = torch.arange(2, dtype=torch.int32, device=device).repeat_interleave(128)
    d = poisoned(256, 260, dtype=torch.bfloat16, device=device)
    written = results(
        lambda scale_a, scale_b, out: deep_gemm.m_grouped_fp8_gemm_nt_contiguous(
            (a.values, scale_a), (b.values, scale_b), out, layout
        ),
        (a.scales, b.scales),
        d,
    )
    for group, rows in enumerate((slice(0, 128), slice(128, 256))):
        exact_a, exact_b = a.exact[rows], b.exact[group]
        assert share_of_tolerance(written[0][rows], exact_a @ exact_b.T, exact_a, exact_b) < 1
    assert all(same_bits(written[0], other) for other in written[1:])


@pytest.mark.parametrize("max_m", [64, 101])
def test_masked_scales_of_any_layout_give_the_same_bits(max_m: int, device: torch.device) -> None:
    """Masked: scale_a is laid out group by group."""
    flat, b = drawn(2 * max_m, device)
    values, scales = flat.values.view(2, max_m, -1), flat.scales.view(2, max_m, -1)
    masked_m = torch.tensor([max_m, 60], dtype=torch.int32, device=device)
    d = poisoned(2, max_m, 260, dtype=torch.bfloat16, device=device)
    written = results(
        lambda scale_a, scale_b, out: deep_gemm.m_grouped_fp8_gemm_nt_masked(
            (values, scale_a), (b.values, scale_b), out, masked_m, 64
        ),
        (scales, b.scales),
        d,
    )
    exact = flat.exact.view(2, max_m, -1)
    for group, rows in enumerate((max_m, 60)):
        exact_a, exact_b = exact[group, :rows], b.exact[group]
        out = written[0][group, :rows]
        assert share_of_tolerance(out, exact_a @ exact_b.T, exact_a, exact_b) < 1
    assert all(same_bits(written[0], other) for other in written[1:])


def test_transposed_views_of_k_major_data_are_taken(device: torch.device) -> None:
    """fp8_gemm_nn, _tn and _tt name the extents the other way; the bits are those of nt."""
    a, b = operands(136, 264, 640, device, seed=7)
    turned_a, turned_b = (tuple(x.T for x in pair) for pair in (a.pair, b.pair))
    calls = {
        "nt": (deep_gemm.fp8_gemm_nt, a.pair, b.pair),
        "nn": (deep_gemm.fp8_gemm_nn, a.pair, turned_b),
        "tn": (deep_gemm.fp8_gemm_tn, turned_a, turned_b),
        "tt": (deep_gemm.fp8_gemm_tt, turned_a, b.pair),
        "fp4": (deep_gemm.fp8_fp4_gemm_nt, a.pair, b.pair),
    }
    written = {}
    for name, (function, left, right) in calls.items():
        written[name] = poisoned(136, 264, dtype=torch.bfloat16, device=device)
        function(left, right, written[name])
    assert share_of_tolerance(written["nt"], a.exact @ b.exact.T, a.exact, b.exact) < 1
    assert all(same_bits(written["nt"], other) for other in written.values())


def test_refuses_fp8_operands_that_are_not_dense_in_k(device: torch.device) -> None:
    """Hopper's FP8 tensor cores read k-major operands alone; nothing is launched."""
    a, b = operands(128, 256, 640, device, seed=8)
    stored = b.values.view(torch.uint8).T.contiguous().view(torch.float8_e4m3fn)
    d = poisoned(128, 256, dtype=torch.bfloat16, device=device)
    with pytest.raises(ValueError, match=r"^b: .*(major|dense|stride)"):
        deep_gemm.fp8_gemm_nn(a.pair, (stored, b.scales.T), d)
    assert bool(torch.isnan(d).all())
