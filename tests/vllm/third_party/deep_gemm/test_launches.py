"""What the host code asks of the driver: seen by a stand-in driver, so on any machine."""

from __future__ import annotations

from typing import Any

import pytest

from tests.vllm.third_party.deep_gemm.conftest import Run
from vllm.third_party.deep_gemm import _C

CLUSTER_DIMENSION = "4"  # CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION
SWIZZLE_128 = 3  # CU_TENSOR_MAP_SWIZZLE_128B
DEPENDENT = "6"  # CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION


def test_empty_problems_launch_nothing(run: Run) -> None:
    """m = 0 and n = 0 return at once, on a machine without any driver too."""
    calls = ("call", "call_row_scales", "call_contiguous", "call_masked", "call_bf16")
    lines = "\n".join(f"{call}(m=0)\n{call}(n=0)" for call in calls) + "\nprint('returned')"
    assert run(lines).launches == []
    assert run(lines, driver=False).lines == ["returned"]


def test_k_of_zero_is_launched_without_operand_maps(run: Run) -> None:
    """k = 0 still writes d: one launch, and no map is made of an empty operand."""
    calls = ("call", "call_row_scales", "call_contiguous", "call_masked", "call_bf16")
    outcome = run("\n".join(f"{call}(k=0)" for call in calls))
    assert len(outcome.launches) == len(calls)
    for given in outcome.arguments:
        assert given["a"]["box"] == given["scale_a"]["box"] == [0, 0, 0]
        assert given["d"]["extents"][0] == 384
        assert given["k_steps"] == 0


# A call of each kind, with 1000 x 1024 outputs in all.
CALLS = {
    "fp8": "call(m=1000, n=1024, output=output)",
    "fp8_row_scales": "call_row_scales(m=1000, n=1024)",
    "fp8_grouped": "call_contiguous(m=1000, n=1024)",
    "bf16_nt": 'call_bf16(m=1000, n=1024, output=output, majors="kk")',
    "bf16_nn": 'call_bf16(m=1000, n=1024, output=output, majors="kn")',
    "bf16_tn": 'call_bf16(m=1000, n=1024, output=output, majors="mn")',
    "bf16_tt": 'call_bf16(m=1000, n=1024, output=output, majors="mk")',
    "bf16_nt_grouped": "call_bf16_grouped(False)",
    "bf16_nn_grouped": "call_bf16_grouped(True)",
}
BF16_GROUPED = """
def call_bf16_grouped(n_dense):
    b = FakeTensor("bf16", (4, 1024, 512), strides=(1024 * 512, 1, 1024) if n_dense else None)
    d, layout = FakeTensor("bf16", (1000, 1024)), FakeTensor("int32", (1000,))
    deep_gemm.m_grouped_bf16_gemm_nt_contiguous(matrix(1000, 512), b, d, layout)
"""


@pytest.mark.parametrize("kind", CALLS)
def test_every_configuration_fits_its_launch(run: Run, kind: str) -> None:
    """Blocks, threads, shared memory and cluster of each launch are the configuration's, and so are
    the boxes of its maps.
    """
    outcome = run(
        f"""{BF16_GROUPED}
for config in _C.configs():
    if config["kind"] != "{kind}":
        continue
    _C.force_config(config["name"])
    output = {{2: "bf16", 4: "f32"}}[config["output_bytes"]]
    {CALLS[kind]}
    print(config["name"])
"""
    )
    configs = {config["name"]: config for config in _C.configs()}
    assert outcome.lines == [name for name in configs if configs[name]["kind"] == kind] != []
    for launch, given, name in zip(outcome.launches, outcome.arguments, outcome.lines, strict=True):
        config = configs[name]
        split = config["split_k"]
        tiles = -(-1000 // config["tile_m"]) * -(-1024 // config["tile_n"])
        blocks = tiles * split if split > 1 else min(tiles, 132)
        assert launch[:3] == [str(blocks), str(config["threads"]), str(config["shared_bytes"])]
        assert launch[4:] == ([] if split == 1 else [f"{CLUSTER_DIMENSION}:{split}"])
        check_maps(given, config)


def check_maps(given: dict[str, Any], config: _C.Config) -> None:
    """Compare the boxes and extents of the operands' maps with a configuration."""
    step = 128 if config["family"].startswith("fp8") else 64
    for name, rows, extent in (("a", config["tile_m"], 1000), ("b", config["tile_n"], 1024)):
        dense_k = (config["a_major"] if name == "a" else config["b_major"]) == "k"
        assert given[name]["box"] == ([step, rows, 1] if dense_k else [64, step, 1])
        assert given[name]["extents"][:2] == ([512, extent] if dense_k else [extent, 512])
        assert given[name]["swizzle"] == SWIZZLE_128
    assert given["b"]["extents"][2] == (4 if config["grouped"] else 1)
    assert given["d"]["box"][1:] == [64, 1]
    assert given["k_steps"] == 512 // step
    if config["family"].startswith("fp8"):
        assert given["scale_a"]["box"] == [config["tile_m"], 1, 1]
        assert given["scale_a"]["extents"] == [1000, 4, 1]
    by_rows = config["family"] == "fp8_row_scales"
    assert given["scale_b"]["box"] == ([config["tile_n"], 1, 1] if by_rows else [0, 0, 0])


def test_the_strides_of_operands_say_the_kind(run: Run) -> None:
    """nn, tn and tt are nt of transposed views; either name takes either major-ness."""
    outcome = run(
        """
d = FakeTensor("bf16", (256, 384))
deep_gemm.bf16_gemm_nt(matrix(256, 512), matrix(384, 512), d)
deep_gemm.bf16_gemm_nn(matrix(256, 512), matrix(512, 384), d)
deep_gemm.bf16_gemm_tn(matrix(512, 256), matrix(512, 384), d)
deep_gemm.bf16_gemm_tt(matrix(512, 256), matrix(384, 512), d)
deep_gemm.bf16_gemm_nn(matrix(256, 512), matrix(512, 384, "n"), d)
"""
    )
    inner = [(given["a"]["extents"][0], given["b"]["extents"][0]) for given in outcome.arguments]
    assert inner == [(512, 512), (512, 384), (256, 384), (256, 512), (512, 512)]


def test_fp8_names_take_transposed_views_of_k_major_data(run: Run) -> None:
    """nn, tn and tt reach the same launch as nt; data of the other order is one clear error."""
    outcome = run(
        """
t = operands()
a, b = (t["a"], t["scale_a"]), (t["b"], t["scale_b"])
def flip(pair): return pair[0].transpose(0, 1), pair[1].transpose(0, 1)
deep_gemm.fp8_gemm_nt(a, b, t["d"])
deep_gemm.fp8_gemm_nn(a, flip(b), t["d"])
deep_gemm.fp8_gemm_tn(flip(a), flip(b), t["d"])
deep_gemm.fp8_fp4_gemm_tt(flip(a), b, t["d"])
told(deep_gemm.fp8_gemm_nn, a, (FakeTensor("e4m3", (512, 384)), flip(b)[1]), t["d"])
"""
    )
    assert outcome.lines == [
        "ValueError b: expected row-major, strides (>= 512, 1), got (1, 384) for shape (384, 512); "
        "FP8 on Hopper is k-major"
    ]
    assert len(outcome.arguments) == 4
    assert all(given == outcome.arguments[0] for given in outcome.arguments)


def test_groups_of_rows_are_described_to_the_kernel(run: Run) -> None:
    """Grouping, groups and alignment; masked operands have maps of all groups."""
    outcome = run(
        """
call_contiguous()
deep_gemm.set_mk_alignment_for_contiguous_layout(256)
print(deep_gemm.get_mk_alignment_for_contiguous_layout())
call_contiguous(psum=True, expected=100)
call_masked()
"""
    )
    assert outcome.lines == ["256"]
    contiguous, psum, masked = outcome.arguments
    said = [
        (given["grouping"], given["groups"], given["m"]) for given in (contiguous, psum, masked)
    ]
    assert said == [(1, 4, 512), (2, 4, 512), (3, 4, 512)]
    assert (contiguous["alignment"], psum["alignment"]) == (128, 256)
    assert contiguous["a"]["extents"] == [512, 512, 1]
    assert masked["a"]["extents"] == [512, 512, 4]
    assert masked["scale_a"]["extents"] == [512, 4, 4]
    assert masked["scale_a"]["strides"] == [512 * 4, 512 * 4 * 4]
    assert masked["d"]["strides"] == [384 * 2, 384 * 512 * 2]
    assert all(given["scale_b_strides"] == [12, 4, 1] for given in outcome.arguments)


def test_masked_groups_have_blocks_for_all_their_rows(run: Run) -> None:
    """masked_m is on the device, so the grid covers every tile that could count."""
    outcome = run("call_masked(m=64, n=64, groups=3)\ncall_masked(m=4096, n=4096)")
    assert [launch[0] for launch in outcome.launches] == ["3", "132"]


def test_rows_of_d_that_no_bulk_copy_can_write_are_told(run: Run) -> None:
    """Odd widths, in rows or between groups, are stored without a map."""
    outcome = run(
        """
call(n=380)
call(n=381)
call_masked(n=380, d=FakeTensor("bf16", (4, 512, 380), strides=(512 * 384 + 4, 384, 1)))
"""
    )
    assert [given["unaligned"] for given in outcome.arguments] == [1, 1, 1]
    assert all(given["d"]["box"] == [0, 0, 0] for given in outcome.arguments)
    assert run("call(n=384)").arguments[0]["unaligned"] == 0


def test_groups_of_k_are_one_launch_each_of_their_part(run: Run) -> None:
    """Each group's operands begin where the one before ends; k = 0 is launched too, for d = c."""
    outcome = run("call_k_grouped([128, 0, 256])\ncall_k_grouped([128, 256], c=False)")
    first, empty, last, *without = outcome.arguments
    base = 0x10000
    assert [given["k_steps"] for given in outcome.arguments] == [1, 0, 2, 1, 2]
    assert (first["a"]["address"], last["a"]["address"]) == (base, base + 128 * 256)
    assert last["a"]["strides"][0] == 256
    assert last["scale_a"]["address"] == base + 256 * 4
    assert (empty["output"], last["output"]) == (base + 256 * 384 * 4, base + 2 * 256 * 384 * 4)
    assert all(given["c"] == given["output"] for given in (first, empty, last))
    assert [given["c"] for given in without] == [0, 0]


def test_bf16_groups_of_k_are_columns_of_what_lies_k_by_k(run: Run) -> None:
    """A and B are dense in m and n, so a group begins a number of lines on."""
    outcome = run(
        """
d = FakeTensor("f32", (2, 256, 384))
a, b = FakeTensor("bf16", (72, 256)), FakeTensor("bf16", (72, 384))
deep_gemm.k_grouped_bf16_gemm_tn_contiguous(a, b, d, [64, 8], None, d)
"""
    )
    first, last = outcome.arguments
    assert first["a"]["extents"] == [256, 64, 1]
    assert last["b"]["extents"] == [384, 8, 1]
    assert last["b"]["address"] == 0x10000 + 64 * 384 * 2


def test_a_wrong_group_of_k_stops_all_groups(run: Run) -> None:
    """The last group's fault is found before the first one's launch."""
    outcome = run(
        """
told(call_k_grouped, [128, 256, 64])
told(call_k_grouped, [128] * 2, n=382)
def scale(rows): return FakeTensor("f32", (rows, 2), strides=(1, 8))
told(call_k_grouped, [128] * 2, m=1, n=5, scale_a=scale(1), scale_b=scale(5))
"""
    )
    assert outcome.lines[0] == "ValueError ks: expected multiples of 128, got 64 for group 2"
    assert outcome.lines[1].startswith("ValueError scale_b: expected MN-major")
    wanted = "ValueError d: expected an address aligned to 16 bytes, got 0x10014"
    assert outcome.lines[2] == wanted
    assert outcome.launches == []


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


def test_threads_launch_side_by_side(run: Run) -> None:
    """Eight threads, first calls among them: each call is one launch, and none is lost."""
    outcome = run(
        """
import threading
def work():
    for _ in range(20):
        call(m=300, n=200)
        call(m=1, n=4096)
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
    )
    assert len(outcome.launches) == 8 * 40


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
