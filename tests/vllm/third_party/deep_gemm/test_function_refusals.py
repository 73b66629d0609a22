"""Wrong input of the functions beside `fp8_gemm_nt`, and calls that no configuration fits."""

from __future__ import annotations

from tests.vllm.third_party.deep_gemm.conftest import Run

# Calls of the other functions, and the whole message.
OTHERS = {
    'call_row_scales, output="bf16"': (
        "d: expected float32, which recipe (1, 1, 128) writes, got bfloat16"
    ),
    'call_row_scales, scale_b=FakeTensor("f32", (3, 4))': (
        "scale_b: expected shape (384, 4), got (3, 4); k=512, granularity 128"
    ),
    'call_row_scales, scale_b=FakeTensor("f32", (384, 4))': (
        "scale_b: expected MN-major, strides (1, a multiple of 4 >= 384), got (4, 1); "
        "get_mn_major_tma_aligned_tensor makes it so"
    ),
    'call_row_scales, scale_b=FakeTensor("f32", (384, 4), strides=(1, 384), address=0x10008)': (
        "scale_b: expected an address aligned to 16 bytes, got 0x10008"
    ),
    'call_contiguous, layout=FakeTensor("int32", (511,))': (
        "grouped_layout: expected shape (512,), got (511,); the group of each row of a"
    ),
    'call_contiguous, layout=FakeTensor("int32", (512, 1))': (
        "grouped_layout: expected 1 dimensions, got 2"
    ),
    'call_contiguous, layout=FakeTensor("f32", (512,))': (
        "grouped_layout: expected int32, got float32"
    ),
    'call_contiguous, layout=FakeTensor("int32", (512,), strides=(2,))': (
        "grouped_layout: expected a stride of 1, got 2"
    ),
    'call_contiguous, layout=FakeTensor("int32", (512,), device=(CPU, 0))': (
        "grouped_layout: expected a CUDA tensor, got a CPU one"
    ),
    "call_contiguous, 64": (
        "expected_m_for_psum_layout: expected None without use_psum_layout, got 64"
    ),
    "call_contiguous, 0, psum=True": "expected_m_for_psum_layout: expected at least 1, got 0",
    'call_contiguous, psum=True, layout=FakeTensor("int32", (5,))': (
        "grouped_layout: expected shape (4,), got (5,); one number for each group of b"
    ),
    'call_contiguous, d=FakeTensor("f32", (512, 384))': "d: expected bfloat16, got float32",
    'call_contiguous, b=FakeTensor("e4m3", (384, 512))': "b: expected 3 dimensions, got 2",
    'call_contiguous, b=FakeTensor("e4m3", (4, 384, 528))': (
        "b: expected shape (groups, n, 512) as a is (512, 512), got (4, 384, 528)"
    ),
    'call_contiguous, b=FakeTensor("e4m3", (4, 384, 512), strides=(0, 512, 1))': (
        "b: expected row-major, strides (of groups that do not overlap, >= 512, 1), "
        "got (0, 512, 1) for shape (4, 384, 512); FP8 on Hopper is k-major"
    ),
    'call_contiguous, b=FakeTensor("e4m3", (4, 384, 512), strides=(196616, 512, 1))': (
        "b: expected a group stride that is a multiple of 16, got 196616"
    ),
    'call_contiguous, b=FakeTensor("e4m3", (0, 384, 512)), scale_b=FakeTensor("f32", (0, 3, 4))': (
        "b: expected at least one group, got none"
    ),
    'call_contiguous, scale_b=FakeTensor("f32", (3, 4))': ("scale_b: expected 3 dimensions, got 2"),
    "call_masked, 0": "expected_m: expected at least 1, got 0",
    'call_masked, a=FakeTensor("e4m3", (3, 512, 512))': (
        "b: expected shape (3, n, 512) as a is (3, 512, 512), got (4, 384, 512)"
    ),
    'call_masked, scale_a=FakeTensor("f32", (4, 512, 4))': (
        "scale_a: expected MN-major, strides (a multiple of 4, 1, a multiple of 4 >= 512), "
        "got (2048, 4, 1); get_mn_major_tma_aligned_tensor makes it so"
    ),
    'call_masked, d=FakeTensor("bf16", (4, 512, 380))': (
        "d: expected shape (4, 512, 384), got (4, 512, 380); "
        "a is (groups, m, k), b is (groups, n, k)"
    ),
    'call_masked, layout=FakeTensor("int32", (3,))': (
        "masked_m: expected shape (4,), got (3,); one number for each group of b"
    ),
    'call_bf16, a=FakeTensor("e4m3", (256, 512))': "a: expected bfloat16, got float8_e4m3fn",
    "call_bf16, k=508": "a: expected k a multiple of 8, got shape (256, 508)",
    'call_bf16, m=255, majors="mk"': "a: expected a k stride that is a multiple of 8, got 255",
    'call_bf16, b=FakeTensor("bf16", (384, 512), strides=(1024, 2))': (
        "b: expected rows or columns that are dense and overlap nowhere, "
        "got strides (1024, 2) for shape (384, 512)"
    ),
    'call_bf16, c=FakeTensor("f32", (256, 384))': "c: expected bfloat16, got float32",
    "call_k_grouped, [128, 100]": "ks: expected multiples of 128, got 100 for group 1",
    "call_k_grouped, [256, -128]": "ks: expected multiples of 128, got -128 for group 1",
    'call_k_grouped, [128, 256], a=FakeTensor("e4m3", (256 * 256,))': (
        "a: expected shape (98304,), got (65536,); all groups' rows times k"
    ),
    'call_k_grouped, [128, 256], b=FakeTensor("e4m3", (384, 256))': (
        "b: expected shape (384, 384), got (384, 256); d is (groups, m, n), k the sum of ks"
    ),
    'call_k_grouped, [128, 256], d=FakeTensor("bf16", (2, 256, 384))': (
        "d: expected float32, got bfloat16"
    ),
    'call_k_grouped, [128, 256], d=FakeTensor("f32", (3, 256, 384))': (
        "d: expected shape (2, 256, 384), got (3, 256, 384); one matrix for each of ks"
    ),
    'call_k_grouped, [128, 256], scale_b=FakeTensor("f32", (384, 4))': (
        "scale_b: expected shape (384, 3), got (384, 4); one for each row and 128 of k"
    ),
    'call_k_grouped, [128, 256], m=254, a=FakeTensor("e4m3", (254 * 384,))': (
        "scale_a: expected MN-major, strides (1, a multiple of 4 >= 254), got (1, 254); "
        "get_mn_major_tma_aligned_tensor makes it so"
    ),
}


def test_other_functions_refuse_as_clearly_and_launch_nothing(run: Run) -> None:
    """Row scales, groups of rows, BF16 and groups of k: operand, expectation, finding."""
    outcome = run("\n".join(f"told({wrong})" for wrong in OTHERS))
    assert outcome.lines == [f"ValueError {message}" for message in OTHERS.values()]
    assert outcome.launches == []


def test_a_forced_configuration_is_for_its_kind_alone(run: Run) -> None:
    """A call that it does not fit is refused by name, one that it fits is launched."""
    outcome = run(
        """
_C.force_config("bf16_nt_m128n128_bf16")
told()
told(call_bf16, output="f32")
told(call_bf16)
"""
    )
    serves = "force_config: expected a call of bf16_nt with bfloat16 output, which "
    serves += "bf16_nt_m128n128_bf16 serves, got"
    assert outcome.lines == [
        f"ValueError {serves} fp8 with bfloat16 output",
        f"ValueError {serves} bf16_nt with float32 output",
        "launched",
    ]
    assert len(outcome.launches) == 1


def test_rows_aligned_for_no_tile_are_refused(run: Run) -> None:
    """BF16 with B dense in n has tiles of 128 rows alone: 64 would mix two groups in one tile."""
    outcome = run(
        """
deep_gemm.set_mk_alignment_for_contiguous_layout(64)
b, layout = FakeTensor("bf16", (4, 512, 384)), FakeTensor("int32", (512,))
told(deep_gemm.m_grouped_bf16_gemm_nn_contiguous, matrix(512, 512), b, matrix(512, 384), layout)
told(call_contiguous)
_C.force_config("fp8_grouped_m128n128_bf16")
told(call_contiguous)
"""
    )
    assert outcome.lines[0] == (
        "ValueError alignment: expected a multiple of a tile's rows, 64 has none in the "
        "configurations of bf16_nn_grouped; set_mk_alignment_for_contiguous_layout(128) fits all"
    )
    assert outcome.lines[1] == "launched"
    assert outcome.lines[2].startswith("ValueError force_config: expected a call of fp8_grouped")
    assert len(outcome.launches) == 1
