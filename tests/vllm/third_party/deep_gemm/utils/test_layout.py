"""The second address of the layouts."""

from __future__ import annotations

from vllm.third_party.deep_gemm import layout
from vllm.third_party.deep_gemm.utils import layout as second


def test_the_second_address_leads_to_the_same_functions() -> None:
    """SGLang imports them from here before it calls anything."""
    assert "get_mn_major_tma_aligned_tensor" in second.__all__
    for name in second.__all__:
        assert getattr(second, name) is getattr(layout, name)
