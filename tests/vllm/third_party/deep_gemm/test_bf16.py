"""torch's matrix product under DeepGEMM's `cublaslt` names, on any device."""

from __future__ import annotations

import pytest
import torch

from vllm.third_party import deep_gemm


@pytest.mark.parametrize("letters", ["nt", "nn", "tn", "tt"])
def test_torch_serves_the_cublaslt_names(letters: str) -> None:
    """The letters say which operands are given transposed; `c` is added."""
    a, b, c = torch.randn(5, 7), torch.randn(3, 7), torch.randn(5, 3)
    d = torch.empty(5, 3)
    given = (a if letters[0] == "n" else a.T, b if letters[1] == "t" else b.T)
    function = getattr(deep_gemm, f"cublaslt_gemm_{letters}")
    function(*given, d)
    torch.testing.assert_close(d, a @ b.T)
    function(*given, d, c)
    torch.testing.assert_close(d, a @ b.T + c)
