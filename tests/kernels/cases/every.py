"""A case of every function: what holds for all of them is tested over these."""

from __future__ import annotations

from collections.abc import Callable

import torch

from tests.kernels.cases.case import Case
from tests.kernels.cases.dense import bf16, fp8, row_scales
from tests.kernels.cases.grouped import contiguous, masked
from tests.kernels.cases.k_grouped import bf16_tn, fp8_nt, fp8_tn
from tests.kernels.cases.rows import RowGroups
from vllm.third_party import deep_gemm


def groups() -> RowGroups:
    alignment = deep_gemm.get_mk_alignment_for_contiguous_layout()
    return RowGroups(counts=(130, 0, 1, 250), alignment=alignment)


EVERY: dict[str, Callable[[torch.device], Case]] = {
    "fp8_gemm_nt": lambda on: fp8(130, 264, 512, torch.bfloat16, on),
    "fp8_gemm_nt few rows": lambda on: fp8(128, 2600, 512, torch.bfloat16, on),
    "fp8_gemm_nt split": lambda on: fp8(64, 264, 7168, torch.float32, on),
    "fp8_gemm_nt (1, 1, 128)": lambda on: row_scales(130, 264, 512, on, with_c=True),
    "fp8_gemm_nt (1, 1, 128) few rows": lambda on: row_scales(64, 264, 512, on, with_c=True),
    "bf16_gemm_nt": lambda on: bf16(130, 264, 512, torch.bfloat16, on),
    "bf16_gemm_tn": lambda on: bf16(
        136, 264, 512, torch.float32, on, a_major="mn", b_major="mn", with_c=True
    ),
    "bf16_gemm_tn few rows": lambda on: bf16(
        64, 264, 512, torch.bfloat16, on, a_major="mn", b_major="mn", with_c=True
    ),
    "m_grouped_fp8_gemm_nt_contiguous": lambda on: contiguous("fp8", groups(), 264, 512, on),
    "m_grouped_fp8_gemm_nt_contiguous psum": lambda on: contiguous(
        "fp8", groups(), 264, 512, on, psum=True
    ),
    "m_grouped_fp8_gemm_nt_masked": lambda on: masked("fp8", (130, 0, 7), 200, 264, 512, on),
    "m_grouped_bf16_gemm_nt_contiguous": lambda on: contiguous("bf16", groups(), 264, 512, on),
    "m_grouped_bf16_gemm_nn_contiguous": lambda on: contiguous(
        "bf16", groups(), 264, 512, on, b_major="mn"
    ),
    "m_grouped_bf16_gemm_nt_masked": lambda on: masked("bf16", (130, 0, 7), 200, 264, 512, on),
    "k_grouped_fp8_gemm_nt_contiguous": lambda on: fp8_nt(64, 264, (256, 0, 128), on),
    "k_grouped_fp8_gemm_tn_contiguous": lambda on: fp8_tn(64, 272, (256, 0, 128), on),
    "k_grouped_bf16_gemm_tn_contiguous": lambda on: bf16_tn(64, 264, (256, 0, 128), on),
}
