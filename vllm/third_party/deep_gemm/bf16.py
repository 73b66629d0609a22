"""The dense BF16 GEMMs under DeepGEMM's names, and torch's own under its `cublaslt` names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import _C

if TYPE_CHECKING:
    import torch


def bf16_gemm_nt(
    a: torch.Tensor,
    b: torch.Tensor,
    d: torch.Tensor,
    c: torch.Tensor | None = None,
    compiled_dims: str = "nk",
) -> None:
    """Write `c + A @ B.T` into `d`, on the device's current stream.

    `compiled_dims` steers a JIT: it is accepted and changes nothing.

    Shapes: A (m, k) and B (n, k) bf16, each dense in its rows or in its columns; `d` (m, n) bf16 or
        f32, row-major, `c` of d's type, may be `d` itself. k is a multiple of 8, and so is every
        stride between dense runs.
    Raises: ValueError names the operand that breaks the contract, and nothing is launched;
        RuntimeError says what the machine lacks (driver, sm_90 GPU); TypeError where an operand is
        no tensor.
    Source: DeepGEMM 2.6.1, `bf16_gemm_nt`.
    """
    _C.bf16_gemm_nt(a, b, d, c)


def bf16_gemm_nn(
    a: torch.Tensor,
    b: torch.Tensor,
    d: torch.Tensor,
    c: torch.Tensor | None = None,
    compiled_dims: str = "nk",
) -> None:
    """Write what `bf16_gemm_nt` does, of B (k, n)."""
    _C.bf16_gemm_nt(a, b.transpose(0, 1), d, c)


def bf16_gemm_tn(
    a: torch.Tensor,
    b: torch.Tensor,
    d: torch.Tensor,
    c: torch.Tensor | None = None,
    compiled_dims: str = "mn",
) -> None:
    """Write what `bf16_gemm_nt` does, of A (k, m) and B (k, n)."""
    _C.bf16_gemm_nt(a.transpose(0, 1), b.transpose(0, 1), d, c)


def bf16_gemm_tt(
    a: torch.Tensor,
    b: torch.Tensor,
    d: torch.Tensor,
    c: torch.Tensor | None = None,
    compiled_dims: str = "mn",
) -> None:
    """Write what `bf16_gemm_nt` does, of A (k, m)."""
    _C.bf16_gemm_nt(a.transpose(0, 1), b, d, c)


def cublaslt_gemm_nt(
    a: torch.Tensor, b: torch.Tensor, d: torch.Tensor, c: torch.Tensor | None = None
) -> None:
    """Write `c + A @ B.T` into `d` with torch's matrix product, for comparison.

    Shapes: A (m, k), B (n, k), `d` and `c` (m, n), bf16; `d` and `c` also f32.
    """
    import torch

    transposed = b.transpose(0, 1)
    if d.dtype == a.dtype:
        torch.mm(a, transposed, out=d) if c is None else torch.addmm(c, a, transposed, out=d)
        return
    product = torch.mm(a, transposed, out_dtype=d.dtype)
    d.copy_(product if c is None else product.add_(c))


def cublaslt_gemm_nn(
    a: torch.Tensor, b: torch.Tensor, d: torch.Tensor, c: torch.Tensor | None = None
) -> None:
    """Write what `cublaslt_gemm_nt` does, of B (k, n)."""
    cublaslt_gemm_nt(a, b.transpose(0, 1), d, c)


def cublaslt_gemm_tn(
    a: torch.Tensor, b: torch.Tensor, d: torch.Tensor, c: torch.Tensor | None = None
) -> None:
    """Write what `cublaslt_gemm_nt` does, of A (k, m) and B (k, n)."""
    cublaslt_gemm_nt(a.transpose(0, 1), b.transpose(0, 1), d, c)


def cublaslt_gemm_tt(
    a: torch.Tensor, b: torch.Tensor, d: torch.Tensor, c: torch.Tensor | None = None
) -> None:
    """Write what `cublaslt_gemm_nt` does, of A (k, m)."""
    cublaslt_gemm_nt(a.transpose(0, 1), b, d, c)
