"""Wrong input and wrong machines: one error that names operand, expectation and finding."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from tests.vllm.third_party.deep_gemm.conftest import Run
from vllm.third_party import deep_gemm

# What is wrong, and the whole message.
REFUSALS = {
    'a=FakeTensor("bf16", (256, 512))': "a: expected float8_e4m3fn, got bfloat16",
    'a=FakeTensor("f16", (256, 512))': "a: expected float8_e4m3fn, got float16",
    'a=FakeTensor("e4m3", (2, 256, 512))': "a: expected 2 dimensions, got 3",
    "k=500": "a: expected k a multiple of 16, got shape (256, 500)",
    'a=FakeTensor("e4m3", (256, 512), strides=(520, 1))': (
        "a: expected a row stride that is a multiple of 16, got 520"
    ),
    'a=FakeTensor("e4m3", (256, 512), strides=(1, 256))': (
        "a: expected row-major, strides (>= 512, 1), got (1, 256) for shape (256, 512); "
        "FP8 on Hopper is k-major"
    ),
    'a=FakeTensor("e4m3", (256, 512), strides=(0, 1))': (
        "a: expected row-major, strides (>= 512, 1), got (0, 1) for shape (256, 512); "
        "FP8 on Hopper is k-major"
    ),
    'a=FakeTensor("e4m3", (256, 512), address=0x10008)': (
        "a: expected an address aligned to 16 bytes, got 0x10008"
    ),
    'a=FakeTensor("e4m3", (256, 512), address=0)': (
        "a: expected a tensor with memory, got a null pointer with 131072 elements "
        "(fake or meta tensor)"
    ),
    'a=FakeTensor("e4m3", (256, 512), device=(CPU, 0))': "a: expected a CUDA tensor, got a CPU one",
    'a=FakeTensor("e4m3", (256, 512), device=(10, 0))': (
        "a: expected a CUDA tensor, got one of DLPack's device type 10"
    ),
    'b=FakeTensor("e4m3", (384, 528))': (
        "b: expected shape (n, 512) as a is (256, 512), got (384, 528)"
    ),
    'b=FakeTensor("e4m3", (384, 512), device=(2, 1))': (
        "b: expected on cuda:0 where a is, got cuda:1"
    ),
    'scale_a=FakeTensor("f32", (256, 5))': (
        "scale_a: expected shape (256, 4), got (256, 5); k=512, granularity 128"
    ),
    'scale_a=FakeTensor("f32", (256, 4))': (
        "scale_a: expected MN-major, strides (1, a multiple of 4 >= 256), got (4, 1); "
        "get_mn_major_tma_aligned_tensor makes it so"
    ),
    'm=254, scale_a=FakeTensor("f32", (254, 4), strides=(1, 254))': (
        "scale_a: expected MN-major, strides (1, a multiple of 4 >= 254), got (1, 254); "
        "get_mn_major_tma_aligned_tensor makes it so"
    ),
    'scale_a=FakeTensor("f32", (256, 4), strides=(1, 256), address=0x10004)': (
        "scale_a: expected an address aligned to 16 bytes, got 0x10004"
    ),
    'scale_b=FakeTensor("f32", (384, 4))': (
        "scale_b: expected shape (3, 4), got (384, 4); k=512, granularity 128"
    ),
    'scale_a=FakeTensor("int32", (256, 1))': (
        "scale_a: expected float32, got int32 "
        "(packed UE8M0 scales are of Blackwell; pass them as float32)"
    ),
    'scale_b=FakeTensor("f32", (3, 4), address=0x10002)': (
        "scale_b: expected an address aligned to 4 bytes, got 0x10002"
    ),
    'output="f16"': "d: expected bfloat16 or float32, got float16",
    'd=FakeTensor("bf16", (256, 385))': (
        "d: expected shape (256, 384), got (256, 385); a is (m, k), b is (n, k)"
    ),
    'd=FakeTensor("bf16", (256, 384), strides=(1, 256))': (
        "d: expected row-major, strides (>= 384, 1), got (1, 256) for shape (256, 384)"
    ),
    'c=FakeTensor("f32", (256, 384))': "c: expected bfloat16, got float32",
    'c=FakeTensor("bf16", (256, 380))': (
        "c: expected shape (256, 384), got (256, 380); c is of d's shape"
    ),
    'c=FakeTensor("bf16", (256, 384), address=0x10004)': (
        "c: expected an address aligned to 16 bytes, got 0x10004"
    ),
}


def test_each_broken_rule_is_one_value_error_and_nothing_is_launched(run: Run) -> None:
    """Every operand's type, shape, strides, alignment and device are checked before the driver."""
    outcome = run("\n".join(f"told({wrong})" for wrong in REFUSALS))
    assert outcome.lines == [f"ValueError {message}" for message in REFUSALS.values()]
    assert outcome.launches == []


def test_right_operands_are_launched(run: Run) -> None:
    """The operands that the refusals start from are right: else they would prove nothing."""
    outcome = run('told()\ntold(output="f32")\ntold(c=FakeTensor("bf16", (256, 384)))')
    assert outcome.lines == ["launched"] * 3
    calls = (
        "call_row_scales",
        "call_contiguous",
        "call_masked",
        "call_bf16",
        "call_k_grouped, [128]",
    )
    outcome = run("\n".join(f"told({call})" for call in calls))
    assert outcome.lines == ["launched"] * len(calls)
    assert len(outcome.launches) == len(calls)


@pytest.mark.parametrize("wrong", ["recipe=(1, 1, 64)", "recipe_a=(1, 64)", "recipe_b=(1, 32)"])
def test_a_recipe_that_is_not_served_is_refused_by_name(run: Run, wrong: str) -> None:
    """Another granularity of scale factors is no silent reinterpretation."""
    lines = f"""
t = operands()
try:
    deep_gemm.fp8_gemm_nt((t["a"], t["scale_a"]), (t["b"], t["scale_b"]), t["d"], {wrong})
except ValueError as error:
    print(error)
"""
    name, given = wrong.split("=")
    assert run(lines).lines[0].startswith(f"{name}: expected (1")
    assert run(lines).lines[0].endswith(f"got {given}")


def test_an_object_that_is_no_tensor_is_a_type_error(run: Run) -> None:
    """A string or a number has no memory to read."""
    outcome = run('told(a="x")\ntold(d=3)')
    assert outcome.lines == [
        "TypeError a: expected a tensor (an object with __dlpack__), got str",
        "TypeError d: expected a tensor (an object with __dlpack__), got int",
    ]


def test_tensors_of_many_types_are_read_each_in_its_own_way(run: Run) -> None:
    """How a type hands over its memory is remembered for that type: torch's by the exchange API."""
    outcome = run(
        """
import torch
values = torch.zeros(256, 512, dtype=torch.float8_e4m3fn)
given = [values, torch.nn.Parameter(values, requires_grad=False)]
for i in range(5):
    given.append(type(f"Kind{i}", (FakeTensor,), {})("e4m3", (256, 512)))
for a in given * 2:
    told(a=a)
"""
    )
    of_torch = "ValueError a: expected a CUDA tensor, got a CPU one"
    assert outcome.lines == [of_torch, of_torch, *["launched"] * 5] * 2


@pytest.mark.filterwarnings("ignore:Accessing the data pointer")
def test_fake_and_meta_tensors_of_torch_are_refused_by_name() -> None:
    """Tracing hands over tensors without memory: no crash, and nothing reads address zero."""
    e4m3 = torch.float8_e4m3fn
    scales, d = torch.ones(16, 1), torch.empty(16, 16)
    with FakeTensorMode():
        fake = torch.empty(16, 128, dtype=e4m3, device="cuda")
    with pytest.raises(ValueError, match=r"^a: .*\(fake or meta tensor\)$"):
        deep_gemm.fp8_gemm_nt((fake, scales), (fake, torch.ones(1, 1)), d)
    meta = torch.empty(16, 128, dtype=e4m3, device="meta")
    with pytest.raises(ValueError, match=r"^a: expected a tensor in CUDA memory") as refusal:
        deep_gemm.fp8_gemm_nt((meta, scales), (meta, torch.ones(1, 1)), d)
    assert "\n" not in str(refusal.value)


def test_another_gpu_is_named(run: Run) -> None:
    """On an sm_80 GPU the error says what is needed and what is there."""
    outcome = run("told()", sm="80")
    assert outcome.lines == [
        "RuntimeError cuda:0: expected an sm_90 GPU (H100, H200, GH200), found sm_80 (Fake 0)"
    ]
    assert outcome.launches == []


@pytest.mark.parametrize("capability", ["100", "89", "121"])
def test_a_newer_gpu_is_refused_too(run: Run, capability: str) -> None:
    """Code for sm_90a runs on sm_90 alone."""
    assert f"found sm_{capability} " in run("told()", sm=capability).lines[0]


def test_an_old_driver_is_named(run: Run) -> None:
    """A driver that lacks an entry point is too old, not a crash."""
    outcome = run("told()", missing="cuTensorMapEncodeTiled")
    assert outcome.lines == [
        "RuntimeError NVIDIA driver: expected CUDA 12.8 or later, found one without "
        "cuTensorMapEncodeTiled; update the driver"
    ]


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("cuInit", "cuInit failed with error 719"),
        ("cuDeviceGet", "cuDeviceGet: CUDA error 719 (a failure as ordered)"),
        ("cuLibraryLoadData", "CUDA error 719 (a failure as ordered)"),
        ("cuTensorMapEncodeTiled", "a: CUDA error 719 (a failure as ordered)"),
        ("cuLaunchKernelEx", "fp8_gemm_nt: CUDA error 719 (a failure as ordered)"),
    ],
)
def test_a_failing_driver_call_is_told_in_its_words(run: Run, function: str, words: str) -> None:
    """Each call's outcome is looked at."""
    outcome = run("told()", fail=function)
    assert outcome.lines[0].startswith("RuntimeError ")
    assert words in outcome.lines[0]


@pytest.mark.skipif(
    any(
        Path(folder, "libcuda.so.1").exists()
        for folder in ("/usr/lib/x86_64-linux-gnu", "/usr/lib64")
    )
    or "LD_LIBRARY_PATH" in os.environ,
    reason="a driver is installed here",
)
def test_a_machine_without_a_driver_is_told_what_it_needs(run: Run) -> None:
    """Imports work, and a call says that there is no libcuda."""
    outcome = run("told()\nprint(_C.self_test()['configs'] > 0)", driver=False)
    assert outcome.lines[0].startswith(
        "RuntimeError NVIDIA driver: expected libcuda.so.1 of CUDA 12.8 or later, found none"
    )
    assert outcome.lines[1] == "True"
