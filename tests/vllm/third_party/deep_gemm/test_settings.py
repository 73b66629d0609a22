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


def test_launches_are_dependent_unless_they_may_not_be(run: Run) -> None:
    """set_pdl changes later launches, and get_pdl tells it; it is on from the start."""
    outcome = run(
        """
for pdl in (None, False, True):
    if pdl is not None:
        deep_gemm.set_pdl(pdl)
    print(deep_gemm.get_pdl())
    call(m=4096, n=4096)
"""
    )
    assert outcome.lines == ["True", "False", "True"]
    dependent = [f"{DEPENDENT}:1"]
    assert [launch[4:] for launch in outcome.launches] == [dependent, [], dependent]


def test_blocks_of_few_rows_start_in_pairs_where_launches_are_dependent(run: Run) -> None:
    """Where two read the same of B. An odd number of blocks, one row of tiles, more rows, groups,
    or an ordinary launch: each block by itself.
    """
    outcome = run(
        """
deep_gemm._C.force_config("fp8_m64n64_bf16")
for pdl in (False, True):
    deep_gemm.set_pdl(pdl)
    for m, n in ((128, 4096), (64, 4096), (64, 64), (129, 4096)):
        call(m=m, n=n)
deep_gemm._C.force_config("fp8_m64n32k2_bf16")
call(m=64, n=2112)
deep_gemm._C.force_config(None)
call_contiguous(m=128)
"""
    )
    alone, pair = [f"{DEPENDENT}:1"], [f"{CLUSTER_DIMENSION}:2", f"{DEPENDENT}:1"]
    expected = [[], [], [], [], pair, alone, alone, alone, pair, alone]
    assert [launch[4:] for launch in outcome.launches] == expected


EARLY = ("prefetched_a", "early_b", "prefetched_b")


def test_few_rows_are_brought_into_the_cache_where_launches_are_dependent(run: Run) -> None:
    """All of A, at most four boxes a block, and 48 KiB of B each, 32 where k is split or two blocks
    share a multiprocessor; not for more rows, groups, an ordinary launch, no k.
    """
    outcome = run(
        """
deep_gemm._C.force_config("fp8_m64n64_bf16")
for pdl, m, k in ((True, 64, 2048), (True, 128, 2048), (True, 129, 2048), (False, 64, 2048)):
    deep_gemm.set_pdl(pdl)
    call(m=m, n=7168, k=k)
deep_gemm.set_pdl(True)
call(m=64, n=7168, k=0)
call(m=64, n=128, k=2048)
for name in ("m64n128", "m64n64k2", "m64n64x2"):
    deep_gemm._C.force_config(f"fp8_{name}_bf16")
    call(m=64, n=7168, k=2048)
deep_gemm._C.force_config(None)
call_contiguous(m=128)
"""
    )
    found = [tuple(given[name] for name in EARLY) for given in outcome.arguments]
    nothing = (0, 0, 0)
    whole = [(16, 0, 6), (32, 0, 6), nothing, nothing, nothing, (8, 0, 6), (16, 0, 3)]
    expected = [*whole, (16, 0, 4), (16, 0, 4), nothing]
    assert found == expected


def test_weights_are_loaded_early_only_where_both_settings_say_so(run: Run) -> None:
    """A dependent launch alone waits before it reads anything."""
    outcome = run(
        """
deep_gemm._C.force_config("fp8_m64n64_bf16")
for pdl, early in ((False, True), (True, False), (True, True)):
    deep_gemm.set_pdl(pdl)
    deep_gemm.set_early_weights(early)
    print(deep_gemm.get_early_weights())
    call(m=64)
"""
    )
    assert outcome.lines == ["True", "False", "True"]
    assert [(given["early_b"], given["prefetched_b"]) for given in outcome.arguments] == [
        (0, 0),
        (0, 6),
        (8, 0),
    ]


def test_weights_that_are_read_early_choose_another_kernel(run: Run) -> None:
    """Where another is faster then; a choice that is remembered is one of its own settings. Without
    dependent launches nothing is early.
    """
    outcome = run(
        """
for pdl, early in ((True, False), (True, True), (True, False), (False, True)):
    deep_gemm.set_pdl(pdl)
    deep_gemm.set_early_weights(early)
    call(m=64, n=2112, k=7168)
"""
    )
    assert [launch[0] for launch in outcome.launches] == ["132", "99", "132", "132"]


def test_as_much_of_b_is_loaded_early_as_stages_and_a_leave_room_for(run: Run) -> None:
    """64 KiB of a multiprocessor, 96 of up to 64 rows, 32 with tiles of more than 64; eight k
    steps, six where k is split in three; all stages: whichever is least. For any rows, not for
    groups.
    """
    outcome = run(
        """
deep_gemm.set_early_weights(True)
for name in ("m64n32k2", "m64n64", "m64n128", "m256n128", "m64n64k3", "m64n64x2", "m64n128x2"):
    deep_gemm._C.force_config(f"fp8_{name}_bf16")
    call(m=4096)
for m in (64, 65):
    for name in ("m64n64", "m64n128", "m64n112k2", "m64n128x2"):
        deep_gemm._C.force_config(f"fp8_{name}_bf16")
        call(m=m)
deep_gemm._C.force_config(None)
call_contiguous()
"""
    )
    many, few, more = [8, 8, 4, 2, 6, 4, 2], [8, 6, 6, 2], [8, 4, 4, 2]
    assert [given["early_b"] for given in outcome.arguments] == [*many, *few, *more, 0]


def test_what_a_call_copies_or_a_backward_pass_makes_is_no_weight(run: Run) -> None:
    """Scale factors of B's rows may be a copy that the call makes; with groups of k, B is gradients
    or activations.
    """
    outcome = run(
        """
deep_gemm.set_early_weights(True)
call_row_scales()
call_k_grouped([128, 256])
a, b = (FakeTensor("bf16", (512, extent)) for extent in (256, 384))
d = FakeTensor("f32", (2, 256, 384))
deep_gemm.k_grouped_bf16_gemm_tn_contiguous(a, b, d, [256, 256], None, d)
call_bf16()
"""
    )
    assert [given["early_b"] > 0 for given in outcome.arguments] == [False] * 5 + [True]


def test_device_memory_is_asked_for_one_k_step_where_b_only_streams_by(run: Run) -> None:
    """Few rows or masked groups: 128 bytes; else tiles are read again, and 256 are."""
    outcome = run("call(m=128); call(m=129); call_masked(m=4096); call_contiguous(m=128)")
    steps, twice = 2, 3  # CU_TENSOR_MAP_L2_PROMOTION_L2_128B, _256B
    found = [(given["a"]["promotion"], given["b"]["promotion"]) for given in outcome.arguments]
    assert found == [(steps, steps), (twice, twice), (steps, steps), (steps, steps)]


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
