"""Cases of the functions without groups."""

from __future__ import annotations

import torch

from tests.kernels.cases.case import Case, poisoned
from tests.kernels.reference import (
    F32_OF_BF16,
    F32_OF_E4M3,
    Quantised,
    operands,
    share_of_tolerance,
)
from vllm.third_party import deep_gemm
from vllm.third_party.deep_gemm.utils import align

ROW_SCALES = (1, 1, 128)


def fp8(
    m: int, n: int, k: int, output: torch.dtype, device: torch.device, *, with_c: bool = False
) -> Case:
    """`fp8_gemm_nt` with scale factors 1x128 and 128x128."""
    a, b = operands(m, n, k, device, seed_of(m, n, k))
    a_pair = with_scales_as_read(a)
    c = addend(m, n, k, output, device) if with_c else None
    d = poisoned(m, n, dtype=output, device=device)
    return Case(
        name=f"fp8_gemm_nt {m}x{n}x{k} {output} {with_c=}",
        values=a.values,
        d=d,
        call=lambda: deep_gemm.fp8_gemm_nt(a_pair, b.pair, d, c),
        judge=lambda: judge(d, a.exact, b.exact, c, F32_OF_E4M3),
    )


def row_scales(m: int, n: int, k: int, device: torch.device, *, with_c: bool = False) -> Case:
    """`fp8_gemm_nt` with scale factors of rows on both sides, to f32."""
    a, b = operands(m, n, k, device, seed_of(m, n, k), rows_per_scale_b=1)
    a_pair, b_pair = (with_scales_as_read(operand) for operand in (a, b))
    c = addend(m, n, k, torch.float32, device) if with_c else None
    d = poisoned(m, n, dtype=torch.float32, device=device)
    return Case(
        name=f"fp8_gemm_nt (1, 1, 128) {m}x{n}x{k} {with_c=}",
        values=a.values,
        d=d,
        call=lambda: deep_gemm.fp8_gemm_nt(a_pair, b_pair, d, c, recipe=ROW_SCALES),
        judge=lambda: judge(d, a.exact, b.exact, c, F32_OF_E4M3),
    )


def with_scales_as_read(x: Quantised) -> tuple[torch.Tensor, torch.Tensor]:
    """Return values and MN-major scale factors: the call copies none, and is one launch."""
    return x.values, deep_gemm.get_mn_major_tma_aligned_tensor(x.scales)


def bf16(
    m: int,
    n: int,
    k: int,
    output: torch.dtype,
    device: torch.device,
    *,
    a_major: str = "k",
    b_major: str = "k",
    with_c: bool = False,
) -> Case:
    """`bf16_gemm_nt` on operands that lie either way."""
    generator = torch.Generator(device=device).manual_seed(seed_of(m, n, k))
    a = bf16_matrix(m, k, a_major, generator)
    b = bf16_matrix(n, k, b_major, generator)
    c = addend(m, n, k, output, device) if with_c else None
    d = poisoned(m, n, dtype=output, device=device)
    return Case(
        name=f"bf16_gemm_nt {m}x{n}x{k} {a_major} {b_major} {output} {with_c=}",
        values=a,
        d=d,
        call=lambda: deep_gemm.bf16_gemm_nt(a, b, d, c),
        judge=lambda: judge(d, a.double(), b.double(), c, F32_OF_BF16),
    )


def bf16_matrix(rows: int, k: int, major: str, generator: torch.Generator) -> torch.Tensor:
    """Draw (rows, k); its dense extent starts anew at multiples of 16 bytes, as copies want it."""
    shape = (rows, align(k, 8)) if major == "k" else (k, align(rows, 8))
    stored = torch.randn(shape, dtype=torch.bfloat16, device=generator.device, generator=generator)
    return stored[:, :k] if major == "k" else stored[:, :rows].T


def addend(m: int, n: int, k: int, output: torch.dtype, device: torch.device) -> torch.Tensor:
    """Draw a c of about the product's magnitude."""
    generator = torch.Generator(device=device).manual_seed(seed_of(n, m, k))
    return (torch.randn(m, n, device=device, generator=generator) * max(k, 1) ** 0.5).to(output)


def judge(
    d: torch.Tensor, a: torch.Tensor, b: torch.Tensor, c: torch.Tensor | None, f32: float
) -> float:
    """Compare with the float64 product."""
    reference = a @ b.T
    if c is not None:
        reference = reference + c.double()
    return share_of_tolerance(d, reference, a, b, f32)


def seed_of(m: int, n: int, k: int) -> int:
    return m * 7 + n * 3 + k
