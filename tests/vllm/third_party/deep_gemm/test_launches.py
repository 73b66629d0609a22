"""What the host code asks of the driver: seen by a stand-in driver, so on any machine."""

from __future__ import annotations

from typing import Any

import pytest

from tests.vllm.third_party.deep_gemm.conftest import CLUSTER_DIMENSION, DEPENDENT, Run
from vllm.third_party.deep_gemm import _C

SWIZZLE_128 = 3  # CU_TENSOR_MAP_SWIZZLE_128B


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
        blocks = tiles * split if split > 1 else min(tiles, 132 * config["blocks"])
        assert launch[:3] == [str(blocks), str(config["threads"]), str(config["shared_bytes"])]
        cluster = [] if split == 1 else [f"{CLUSTER_DIMENSION}:{split}"]
        assert launch[4:] == [*cluster, f"{DEPENDENT}:1"]
        check_maps(given, config)


@pytest.mark.parametrize(
    ("k", "steps"), [(128, [0, 0]), (512, [0, 0]), (768, [0, 1]), (7168, [25, 26])]
)
def test_the_first_of_the_blocks_that_split_k_has_a_head_start(
    run: Run, k: int, steps: list[int]
) -> None:
    """Six k steps more than the second, with 32 columns four, or one more; all of them where there
    are no more.
    """
    outcome = run(
        f"""
for name in ("fp8_m64n64k2_bf16", "fp8_m64n32k2_bf16", "fp8_m64n64_bf16"):
    _C.force_config(name)
    call(k={k})
"""
    )
    assert [given["part_steps"] for given in outcome.arguments] == [*steps, 0]


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


@pytest.mark.parametrize(
    ("config", "m", "rows"),
    [
        ("m64n64", 1, 1),
        ("m64n64", 8, 8),
        ("m64n64", 16, 16),
        ("m64n64", 32, 32),
        ("m64n64", 63, 63),
        ("m64n64", 65, 36),
        ("m64n64", 96, 48),
        ("m64n64", 128, 64),
        ("m64n64", 129, 64),
        ("m128n64", 65, 65),
        ("m128n64", 129, 128),
    ],
)
def test_few_rows_are_loaded_and_stored_as_many_as_there_are(
    run: Run, config: str, m: int, rows: int
) -> None:
    """Rows that are not there cost a bulk copy more than rows that are. Two tiles of 64 share them
    out, the second from a multiple of 16 bytes of scale factors on; these are not swizzled, however
    narrow.
    """
    given = run(f'_C.force_config("fp8_{config}_bf16")\ncall(m={m})').arguments[0]
    scales = -(-rows // 4) * 4
    assert given["tile_rows"] == given["a"]["box"][1] == rows
    assert given["scale_a"]["box"][0] == scales
    assert given["scale_a"]["swizzle"] == 0
    assert given["d"]["box"][1] == min(rows, 64)
    assert given["stage_bytes"] == (rows + 64) * 128 + scales * 4


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


def test_a_choice_is_remembered_for_its_own_problem_alone(run: Run) -> None:
    """Numbers of rows 64 apart share a place in the table of choices; each call gets its own."""
    alone = [run(f"call(m={m})").launches[0] for m in (64, 8192)]
    assert alone[0] != alone[1]
    both = run("call(m=64)\ncall(m=8192)\ncall(m=64)").launches
    assert both == [alone[0], alone[1], alone[0]]


# The same addresses and lines each time, and one number of the maps that differs.
ALIKE = [
    "call()",
    "call(k=1024)",
    'call(a=FakeTensor("e4m3", (256, 512), strides=(528, 1)))',
    'call(a=FakeTensor("e4m3", (256, 512), address=0x20000))',
    "call_masked(m=256)",
    'call_masked(m=256, a=FakeTensor("e4m3", (4, 256, 512), strides=(256 * 528, 512, 1)))',
    'call_bf16(k=512, a=matrix(256, 512), output="f32")',
    "call_row_scales()",
]


def test_a_tensor_map_is_remembered_for_its_own_request_alone(run: Run) -> None:
    """Operands that differ in one number get maps of their own, also where they come again."""
    alone = [run(each).arguments[0] for each in ALIKE]
    assert all(one != other for i, one in enumerate(alone) for other in alone[:i])
    assert run("\n".join([*ALIKE, *ALIKE])).arguments == [*alone, *alone]


def test_weights_that_stream_by_and_are_read_again_have_a_map_each(run: Run) -> None:
    """The same B for few rows and for many: what device memory is asked for at once differs."""
    calls = ["call(m=128)", "call(m=256)"]
    force = 'deep_gemm._C.force_config("fp8_m64n128_bf16")\n'
    alone = [run(force + each).arguments[0]["b"] for each in calls]
    assert [{**each, "promotion": None} for each in alone[:1]] == [{**alone[1], "promotion": None}]
    assert alone[0]["promotion"] != alone[1]["promotion"]
    found = run(force + "\n".join([*calls, *calls])).arguments
    assert [given["b"] for given in found] == [*alone, *alone]


def test_a_map_that_the_driver_refused_is_asked_for_again(run: Run) -> None:
    """What was encoded stays remembered; an error is not, and nothing half-written stands for a
    map.
    """
    outcome = run(
        """
import os
d = FakeTensor("bf16", (256, 384), address=0x20000)
call(d=d)
os.environ["FAKE_CUDA_FAIL"] = "cuTensorMapEncodeTiled"
for k in (512, 1024, 1024):
    told(call, k=k, d=d)
del os.environ["FAKE_CUDA_FAIL"]
told(call, k=1024)
"""
    )
    refused = "RuntimeError a: CUDA error 719 (a failure as ordered)"
    assert outcome.lines == ["launched", refused, refused, "launched"]
    assert outcome.arguments[-1] == run("call(k=1024)").arguments[0]
