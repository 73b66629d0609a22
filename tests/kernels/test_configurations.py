"""The table of configurations and the tests that go through it."""

from __future__ import annotations

from tests.kernels import test_bf16_gemm, test_fp8_gemm, test_grouped_contiguous, test_row_scales
from vllm.third_party.deep_gemm import _C


def test_some_test_forces_every_row_of_the_table() -> None:
    """A row of a new family needs a test that makes it the only choice."""
    modules = (test_bf16_gemm, test_fp8_gemm, test_grouped_contiguous, test_row_scales)
    tried = {config.name for module in modules for config in module.CONFIGURATIONS}
    assert tried == {row["name"] for row in _C.configs()}
