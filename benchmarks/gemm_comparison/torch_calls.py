"""torch's own way of block-scaled products: `scaled_mm`, which is cuBLASLt's.

Limit: torch's `scaled_grouped_mm` takes row-wise, MXFP8 and NVFP4 scales, none block-wise on
Hopper, so that groups are one call each. Source: torch 2.11, ATen/native/cuda/GroupedBlas.cpp.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from vllm.third_party.deep_gemm import align

Call = Callable[[], object]


def block_scaled_mm(
    a: torch.Tensor, a_scales: torch.Tensor, b: torch.Tensor, b_scales: torch.Tensor
) -> Call:
    """Return the call of torch's product with scales 1x128 and 128x128, as bf16."""
    from torch.nn.functional import ScalingType, scaled_mm

    # cuBLASLt wants scale_a with dense rows of m, and columns of scale_b padded to four.
    scale_a = a_scales.T.contiguous().T
    k_blocks = b_scales.shape[1]
    padded = b_scales.new_zeros(b_scales.shape[0], align(k_blocks, 4))
    padded[:, :k_blocks] = b_scales
    scale_b, transposed = padded[:, :k_blocks].T, b.T
    return lambda: scaled_mm(
        a,
        transposed,
        scale_a,
        ScalingType.BlockWise1x128,
        scale_b,
        ScalingType.BlockWise128x128,
        output_dtype=torch.bfloat16,
    )


def one_after_another(calls: Sequence[Call], rows: Sequence[int] | None = None) -> Call:
    """Return one call of all, whose result is the list of theirs, cut to `rows` each."""

    def call() -> list[torch.Tensor]:
        results = [each() for each in calls]
        tensors = [result for result in results if isinstance(result, torch.Tensor)]
        if rows is None:
            return tensors
        return [tensor[:count] for tensor, count in zip(tensors, rows, strict=True)]

    return call
