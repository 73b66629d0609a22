"""The rotation: against a float64 reference, over styles, strides and types, whatever flash_attn is
on the path.
"""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from vllm.model_executor.layers.rotary_embedding import common
from vllm.model_executor.layers.rotary_embedding.common import ApplyRotaryEmb, rotate
from vllm.platforms import DeviceCapability, Platform
from vllm.utils.optional_kernels import Probe, probe

ROOT = Path(__file__).resolve().parents[4]
CUDA = Platform(name="cuda", reason="test", capability=DeviceCapability(9, 0))
# Llama and Qwen pair halves, GPT-J neighbours; Qwen's vision and GPT-J rotate a part of the head.
STYLES = {"llama": (True, 64, 64), "qwen": (True, 80, 40), "gptj": (False, 256, 64)}
TOLERANCE = {torch.float32: 1e-6, torch.bfloat16: 2**-7, torch.float16: 2**-10}


def reference(x: torch.Tensor, angles: torch.Tensor, *, neox: bool) -> torch.Tensor:
    """Turn every pair as a complex number, in float64, one element after the other."""
    result = x.double().clone()
    half = angles.shape[-1]
    for pair in range(half):
        first, second = (pair, pair + half) if neox else (2 * pair, 2 * pair + 1)
        turn = torch.polar(torch.ones_like(angles[:, pair]), angles[:, pair])
        number = torch.complex(x[..., first].double(), x[..., second].double()) * turn[:, None]
        result[..., first], result[..., second] = number.real, number.imag
    return result


def angles_of(seq: int, rotary: int) -> torch.Tensor:
    pairs = torch.arange(rotary // 2, dtype=torch.float64)
    return torch.outer(torch.arange(seq, dtype=torch.float64), 10000 ** (-2 * pairs / rotary))


def contiguous(x: torch.Tensor) -> torch.Tensor:
    return x


def slice_of_qkv(x: torch.Tensor) -> torch.Tensor:
    return torch.cat((x, x, x), dim=-2)[..., x.shape[-2] : 2 * x.shape[-2], :]


def transposed_heads(x: torch.Tensor) -> torch.Tensor:
    return x.transpose(-2, -3).contiguous().transpose(-2, -3)


def every_other(x: torch.Tensor) -> torch.Tensor:
    return x.repeat_interleave(2, dim=-1)[..., ::2]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("layout", [contiguous, slice_of_qkv, transposed_heads, every_other])
@pytest.mark.parametrize("batch", [(), (3,)])
@pytest.mark.parametrize("fp32", [False, True])
def test_the_rotation_agrees_with_complex_numbers(
    style: str,
    dtype: torch.dtype,
    layout: Callable[[torch.Tensor], torch.Tensor],
    batch: tuple[int, ...],
    fp32: bool,
) -> None:
    """In every style, layout and type; what is not rotated is the same bits."""
    neox, head, rotary = STYLES[style]
    x = torch.randn(*batch, 7, 4, head, generator=torch.Generator().manual_seed(1)).to(dtype)
    angles = angles_of(7, rotary)
    operator = ApplyRotaryEmb(is_neox_style=neox, enable_fp32_compute=fp32)
    given = layout(x)
    result = operator(given, angles.cos().float(), angles.sin().float())
    assert (result.shape, result.dtype) == (x.shape, dtype)
    error = (result.double() - reference(x, angles, neox=neox)).abs().max().item()
    assert error <= TOLERANCE[dtype] * 2 * x.abs().max().item()
    assert torch.equal(result[..., rotary:], x[..., rotary:])
    assert torch.equal(given, x), "the input is left as it was"


def test_fp32_compute_rounds_once() -> None:
    """In bfloat16 it is nearer to the reference than the computation in bfloat16."""
    x = torch.randn(64, 2, 128, generator=torch.Generator().manual_seed(2)).bfloat16()
    angles = angles_of(64, 128)
    cos, sin = angles.cos().float(), angles.sin().float()
    wanted = reference(x, angles, neox=True)
    errors = [
        (rotate(x, cos, sin, enable_fp32_compute=fp32).double() - wanted).abs().mean().item()
        for fp32 in (True, False)
    ]
    assert errors[0] < 0.7 * errors[1]


@pytest.mark.parametrize(
    ("x", "cos", "sin", "message"),
    [
        ((4, 8), (4, 2), (4, 2), "x: expected"),
        ((4, 2, 8), (4, 2), (4, 3), "cos and sin: expected one shape"),
        ((4, 2, 8), (5, 2), (5, 2), r"cos and sin: expected \(4, at most 4\)"),
        ((4, 2, 8), (4, 5), (4, 5), r"got \(4, 5\)"),
    ],
)
def test_shapes_that_do_not_fit_are_named(
    x: tuple[int, ...], cos: tuple[int, ...], sin: tuple[int, ...], message: str
) -> None:
    """A silent broadcast would be a wrong model."""
    with pytest.raises(ValueError, match=message):
        rotate(torch.zeros(x), torch.zeros(cos), torch.zeros(sin))


def test_a_cpu_never_looks_for_flash_attn(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is installed for GPUs cannot break it."""
    monkeypatch.setattr(common, "probe", lambda *_: pytest.fail("looked for flash_attn"))
    monkeypatch.setattr(common, "current_platform", Platform(name="cpu", reason="test"))
    assert ApplyRotaryEmb().apply_rotary_emb_flash_attn is None


FLASH = "def apply_rotary(x, cos, sin, seqlen_offsets=0, interleaved=False): return x * 0 + 5\n"
KINDS = {
    "absent": None,
    "broken": "raise OSError('undefined symbol')\n",
    "fourth": "",  # FlashAttention 4 has no ops
    "fake": FLASH,
}


@pytest.mark.parametrize("kind", KINDS)
def test_off_the_cpu_a_flash_attn_serves_only_when_its_symbol_does(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Absent, broken and of another version fall back; a good one is used."""
    flash_attn_of(kind, tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name.partition(".")[0] == "flash_attn"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(common, "current_platform", CUDA)
    monkeypatch.setattr("vllm.model_executor.custom_op.current_platform", CUDA)
    probe.cache_clear()
    x, angles = torch.randn(5, 2, 8), angles_of(5, 8)
    result = ApplyRotaryEmb()(x, angles.cos().float(), angles.sin().float())
    wanted = reference(x, angles, neox=True) if kind != "fake" else torch.full_like(x, 5).double()
    assert torch.allclose(result.double(), wanted, atol=1e-6)
    probe.cache_clear()


def test_the_kernel_gets_a_batch_and_angles_of_the_type_it_computes_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And its result has x's shape and type again."""
    seen: list[tuple[torch.Size, torch.dtype, torch.dtype, bool]] = []

    def kernel(
        x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, *, interleaved: bool
    ) -> torch.Tensor:
        seen.append((x.shape, x.dtype, cos.dtype, interleaved))
        return x

    present = Probe(symbol="fake", state="present", call=kernel)
    monkeypatch.setattr(common, "probe_flash_attn", lambda: present)
    x, angles = torch.randn(5, 2, 8).bfloat16(), torch.ones(5, 4)
    for fp32 in (False, True):
        operator = ApplyRotaryEmb(is_neox_style=False, enable_fp32_compute=fp32)
        assert operator.forward_cuda(x, angles, angles).dtype == torch.bfloat16
    wide, narrow = torch.float32, torch.bfloat16
    shape = torch.Size((1, 5, 2, 8))
    assert seen == [(shape, narrow, narrow, True), (shape, wide, wide, True)]


def flash_attn_of(kind: str, folder: Path) -> None:
    """Write a flash_attn of a kind below a folder."""
    text = KINDS[kind]
    if text is None:
        return
    (folder / "flash_attn").mkdir()
    (folder / "flash_attn" / "__init__.py").write_text("" if kind == "fake" else text)
    if kind == "fake":
        (folder / "flash_attn" / "ops" / "triton").mkdir(parents=True)
        (folder / "flash_attn" / "ops" / "triton" / "rotary.py").write_text(text)


def test_a_cpu_process_works_beside_a_broken_flash_attn(tmp_path: Path) -> None:
    """`import vllm` and a rotation, in a process of its own."""
    flash_attn_of("broken", tmp_path)
    code = (
        "import vllm, torch, math\n"
        "from vllm.model_executor.layers.rotary_embedding import ApplyRotaryEmb\n"
        "x = ApplyRotaryEmb()(torch.ones(1, 1, 2), torch.zeros(1, 1), torch.ones(1, 1))\n"
        "print(x.flatten().tolist())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT}:{tmp_path}", "CUDA_VISIBLE_DEVICES": "", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "[-1.0, 1.0]"), done.stderr


def test_a_quarter_turn_is_exact() -> None:
    """An angle of ninety degrees swaps the pair."""
    x = torch.tensor([[[1.0, 2.0]]])
    angle = torch.tensor([[math.pi / 2]])
    assert torch.allclose(rotate(x, angle.cos(), angle.sin()), torch.tensor([[[-2.0, 1.0]]]))
