"""Which recipe a call asks for, and the layout in which scale factors reach the kernels."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.vllm.third_party.deep_gemm.conftest import Run
from vllm.third_party.deep_gemm.scales import expect_block_scales, has_row_scales, mn_major


def test_a_recipe_says_whether_b_has_a_scale_for_each_row() -> None:
    """In three numbers, or in two for each operand."""
    assert not has_row_scales(None, None, None)
    assert not has_row_scales((1, 128, 128), None, None)
    assert not has_row_scales(None, (1, 128), (128, 128))
    assert has_row_scales((1, 1, 128), None, None)
    assert has_row_scales(None, (1, 128), (1, 128))


def test_recipes_that_contradict_each_other_are_refused() -> None:
    """One of them would be read as the other."""
    with pytest.raises(ValueError, match=r"recipe_b: expected \(128, 128\) as recipe says"):
        has_row_scales((1, 128, 128), None, (1, 128))


@pytest.mark.parametrize("recipes", [((1, 1, 128), None, None), (None, (1, 128), (1, 128))])
def test_grouped_rows_have_scales_of_blocks_alone(recipes: tuple[None, None, None]) -> None:
    """The message names the recipe that asks for more."""
    with pytest.raises(ValueError, match=r"^recipe.*: expected .* or None for grouped rows, got"):
        expect_block_scales(*recipes)


@pytest.mark.parametrize("shape", [(6, 4), (3, 6, 4)])
def test_a_copy_of_scales_has_columns_that_a_bulk_copy_can_read(shape: tuple[int, ...]) -> None:
    """Row-major ones become MN-major with their values."""
    scale = torch.randn(shape)
    copied = mn_major(scale)
    assert torch.equal(copied, scale)
    assert copied.stride()[-2:] == (1, 8)


def test_scales_of_a_library_that_cannot_copy_stay_as_they_are() -> None:
    """What speaks DLPack alone is refused by the extension, which says why."""
    scale: Any = object()
    assert mn_major(scale) is scale


SCALES_A = """
def seen(**scale):
    asked = []
    def copy(given):
        asked.append(given)
        return FakeTensor("f32", shape, strides=strides, address=0x20000)
    shape, strides = scale["shape"], scale.pop("copied")
    t = grouped(masked=True) if len(shape) == 3 else operands(m=shape[0])
    t["scale_a"] = FakeTensor("f32", **scale)
    given = (t["a"], t["scale_a"], t["b"], t["scale_b"], t["d"])
    if len(shape) == 3:
        _C.m_grouped_fp8_gemm_nt_masked(*given, t["layout"], copy, 64)
    else:
        _C.fp8_gemm_nt(*given, None, copy)
    assert asked in ([], [t["scale_a"]])
    print(len(asked))
"""


def test_the_extension_asks_for_a_copy_of_scales_where_one_is_needed(run: Run) -> None:
    """Rows apart, columns or groups that overlap or begin between aligned addresses; no others."""
    outcome = run(
        f"""{SCALES_A}
strides = (1, 256)
for scale in ((1, 256), (1, 260), (4, 1), (1, 258), (1, 128)):
    seen(shape=(256, 4), strides=scale, copied=strides)
seen(shape=(256, 4), strides=strides, address=0x10004, copied=strides)
seen(shape=(1, 4), strides=(4, 1), copied=(1, 4))
seen(shape=(1, 4), strides=(9, 4), copied=(1, 4))
strides = (2048, 1, 512)
for scale in (strides, (2050, 1, 512), (2048, 4, 1)):
    seen(shape=(4, 512, 4), strides=scale, copied=strides)
"""
    )
    asked = [0, 0, 1, 1, 1, 1, 1, 0, 0, 1, 1]
    assert [int(line) for line in outcome.lines] == asked
    addresses = [given["scale_a"]["address"] for given in outcome.arguments]
    assert addresses == [0x20000 if copied else 0x10000 for copied in asked]


def test_scales_of_rows_of_b_are_copied_too_and_those_of_blocks_are_not(run: Run) -> None:
    """Blocks are read word by word, whatever their strides; None stands for no copy."""
    outcome = run(
        """
def copy(given):
    return FakeTensor("f32", (384, 4), strides=(1, 384), address=0x20000)
t = operands(output="f32")
blocks = FakeTensor("f32", (3, 4), strides=(1, 3))
_C.fp8_gemm_nt(t["a"], t["scale_a"], t["b"], blocks, t["d"], None, copy)
rows = (t["a"], t["scale_a"], t["b"], FakeTensor("f32", (384, 4)), t["d"], None)
_C.fp8_gemm_nt_row_scales(*rows, copy)
told(_C.fp8_gemm_nt_row_scales, *rows, None)
def fail(given): raise MemoryError("no room for a copy")
told(_C.fp8_gemm_nt_row_scales, *rows, fail)
"""
    )
    assert outcome.arguments[0]["scale_b_strides"] == [0, 1, 3]
    assert outcome.arguments[1]["scale_b"]["address"] == 0x20000
    assert outcome.lines[0].startswith("ValueError scale_b: expected MN-major, strides (1, a multi")
    assert outcome.lines[1] == "MemoryError no room for a copy"
    assert len(outcome.launches) == 2
