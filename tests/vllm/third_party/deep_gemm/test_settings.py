"""The settings of the process: kept, told, refused, and seen in launches."""

from __future__ import annotations

import pytest

from tests.vllm.third_party.deep_gemm.conftest import CLUSTER_DIMENSION, DEPENDENT, Run


def test_a_limit_of_multiprocessors_bounds_the_blocks(run: Run) -> None:
    """set_num_sms counts for persistent kernels, 0 lifts it; other numbers are refused."""
    outcome = run(
        """
print(deep_gemm.get_num_sms())
deep_gemm.set_num_sms(7)
print(deep_gemm.get_num_sms())
call(m=4096, n=4096)
deep_gemm.set_num_sms(0)
call(m=4096, n=4096)
for wrong in (-1, 5000):
    try:
        deep_gemm.set_num_sms(wrong)
    except ValueError as error:
        print(error)
"""
    )
    assert [launch[0] for launch in outcome.launches] == ["7", "132"]
    expected = "num_sms: expected 1 to 1024, or 0 for all of the device, got"
    assert outcome.lines == ["132", "7", f"{expected} -1", f"{expected} 5000"]


def test_dependent_launch_is_an_attribute_only_where_it_is_set(run: Run) -> None:
    """set_pdl changes later launches, and get_pdl tells it."""
    outcome = run(
        """
call(m=4096, n=4096)
deep_gemm.set_pdl(True)
print(deep_gemm.get_pdl())
call(m=4096, n=4096)
deep_gemm.set_pdl(False)
call(m=4096, n=4096)
"""
    )
    assert outcome.lines == ["True"]
    assert [launch[4:] for launch in outcome.launches] == [[], [f"{DEPENDENT}:1"], []]


def test_blocks_of_few_rows_start_in_pairs_where_launches_are_dependent(run: Run) -> None:
    """An odd number of blocks, more rows, groups, or an ordinary launch: each block by itself."""
    outcome = run(
        """
deep_gemm._C.force_config("fp8_m64n64_bf16")
for pdl in (False, True):
    deep_gemm.set_pdl(pdl)
    for m, n in ((128, 4096), (64, 64), (129, 4096)):
        call(m=m, n=n)
deep_gemm._C.force_config("fp8_m64n32k2_bf16")
call(m=64, n=2112)
deep_gemm._C.force_config(None)
call_contiguous(m=128)
"""
    )
    alone, pair = [f"{DEPENDENT}:1"], [f"{CLUSTER_DIMENSION}:2", f"{DEPENDENT}:1"]
    expected = [[], [], [], pair, alone, alone, pair, alone]
    assert [launch[4:] for launch in outcome.launches] == expected


def test_weights_are_read_early_only_where_both_settings_say_so(run: Run) -> None:
    """A dependent launch alone waits before it reads anything."""
    outcome = run(
        """
for pdl, early in ((False, True), (True, False), (True, True)):
    deep_gemm.set_pdl(pdl)
    deep_gemm.set_early_weights(early)
    print(deep_gemm.get_early_weights())
    call()
"""
    )
    assert outcome.lines == ["True", "False", "True"]
    assert [given["early_b"] for given in outcome.arguments] == [0, 0, 1]


def test_weights_are_not_read_early_where_k_is_split(run: Run) -> None:
    """The same call with one block a tile is."""
    outcome = run(
        """
deep_gemm.set_pdl(True)
deep_gemm.set_early_weights(True)
for name in ("fp8_m64n32k2_bf16", "fp8_m64n32_bf16"):
    deep_gemm._C.force_config(name)
    call()
"""
    )
    assert [given["early_b"] for given in outcome.arguments] == [0, 1]


def test_settings_are_kept_and_told(run: Run) -> None:
    """Those that steer nothing on Hopper are DeepGEMM's all the same."""
    outcome = run(
        """
print(deep_gemm.get_tc_util(), deep_gemm.get_mk_alignment_for_contiguous_layout())
deep_gemm.set_tc_util(50)
print(deep_gemm.get_tc_util())
deep_gemm.set_tc_util(0)
print(deep_gemm.get_tc_util(), deep_gemm.get_theoretical_mk_alignment_for_contiguous_layout(64))
deep_gemm.set_ignore_compile_dims(True)
deep_gemm.set_block_size_multiple_of(16)
deep_gemm.set_block_size_multiple_of((16, 32))
"""
    )
    assert outcome.lines == ["100 128", "50", "100 128"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("set_mk_alignment_for_contiguous_layout(96)", "mk alignment: expected a multiple of 64"),
        ("set_mk_alignment_for_contiguous_layout(0)", "mk alignment: expected a multiple of 64"),
        ("set_tc_util(101)", "tc_util: expected 0 to 100 per cent, got 101"),
        ("set_block_size_multiple_of((16, 0))", "set_block_size_multiple_of: expected one or two"),
    ],
)
def test_settings_refuse_what_they_cannot_keep(run: Run, call: str, message: str) -> None:
    """The setting stays as it was."""
    assert run(f"told(lambda: deep_gemm.{call})").lines[0].startswith(f"ValueError {message}")
