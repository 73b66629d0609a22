"""Launches of groups, of rows and of k: what the kernel is told of them."""

from __future__ import annotations

from tests.vllm.third_party.deep_gemm.conftest import Run


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
told(call_k_grouped, [128] * 2, d=FakeTensor("f32", (2, 256, 384), address=0x10004))
"""
    )
    assert outcome.lines[0] == "ValueError ks: expected multiples of 128, got 64 for group 2"
    assert outcome.lines[1].startswith("ValueError scale_b: expected MN-major")
    assert outcome.lines[2] == "ValueError d: expected an address aligned to 16 bytes, got 0x10004"
    assert outcome.launches == []


def test_the_matrices_of_groups_of_k_may_begin_between_16_bytes(run: Run) -> None:
    """Behind a matrix of five numbers the next one's address is what it is."""
    outcome = run(
        """
def scale(rows): return FakeTensor("f32", (rows, 2), strides=(1, 8))
call_k_grouped([128] * 2, m=1, n=5, scale_a=scale(1), scale_b=scale(5))
"""
    )
    assert [given["output"] for given in outcome.arguments] == [0x10000, 0x10014]
