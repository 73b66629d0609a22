"""Devices: what a step needs, what nvidia-smi says is here, and the words for the difference."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.tools.buildkite.conftest import Checkout
from tools.buildkite import devices
from tools.buildkite.devices import Gpu, installed_gpus, known, missing, names, queue

H200 = Gpu(index=0, uuid="GPU-a", name="NVIDIA H200", capability="9.0")
H200_1 = Gpu(index=1, uuid="GPU-b", name="NVIDIA H200", capability="9.0")
L4 = Gpu(index=2, uuid="GPU-c", name="NVIDIA L4", capability="8.9")


@pytest.mark.parametrize(
    ("members", "gpus", "answer"),
    [
        ("device: h100", [], "needs sm_90, found none"),
        ("device: h100", [L4], "needs sm_90, found sm_89 (NVIDIA L4)"),
        ("device: h100", [H200], None),
        ("device: h200_18gb", [H200], None),
        ("device: h100, num_devices: 2", [H200], "needs 2 x sm_90, found sm_90 (NVIDIA H200)"),
        ("device: h100, num_devices: 2", [H200, H200_1], None),
        ("device: b200", [H200], "needs sm_100, found sm_90 (NVIDIA H200)"),
        ("device: h100, no_gpu: true", [], None),
        ("num_devices: 1", [], "needs an NVIDIA GPU, found none"),
        ("num_devices: 1", [L4], None),
        ("device: cpu-small", [], None),
        ("device: mi300_1", [H200], "needs mi300_1, found sm_90 (NVIDIA H200)"),
        ("device: intel_hpu", [], "needs intel_hpu, found none"),
        ("device: h100, num_devices: 1, num_nodes: 2", [H200], "needs 2 nodes, found 1"),
    ],
)  # fmt: skip
def test_a_missing_device_is_told_with_what_was_found(
    checkout: Checkout, members: str, gpus: list[Gpu], answer: str | None
) -> None:
    """Hopper is Hopper whatever its memory; a GPU of another kind does not do."""
    step = checkout.step(f"steps:\n- {{label: A, commands: [x], {members}}}\n")
    assert missing(step, gpus) == answer


def test_an_image_build_needs_no_gpu(checkout: Checkout) -> None:
    """vLLM marks it by its label alone."""
    step = checkout.step('steps:\n- {label: ":docker: Build", commands: [x]}\n')
    assert missing(step, []) is None
    assert queue(step) == "cpu"


def test_every_device_name_is_known_and_its_neighbours_are_not() -> None:
    """AMD's GPUs are known by their pattern."""
    assert all(known(name) for name in names())
    assert known("amd_mi325_8")
    assert not any(known(name) for name in ("h1000", "mi300", "mi300_3", "H100", ""))


def fake_nvidia_smi(folder: Path, answer: str, status: int = 0) -> dict[str, str]:
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$*\" >&2\nprintf '{answer}'\nexit {status}\n")
    program.chmod(0o755)
    return {"PATH": str(folder)}


TWO = "0, GPU-a, NVIDIA H200, 9.0\\n1, GPU-b, NVIDIA H200, 9.0\\n"


def test_gpus_are_read_from_nvidia_smi(tmp_path: Path) -> None:
    """No torch, no driver library: the program that comes with the driver."""
    assert installed_gpus(fake_nvidia_smi(tmp_path, TWO)) == (H200, H200_1)


@pytest.mark.parametrize(
    ("selection", "indices"),
    [("", []), ("0", [0]), ("1,0", [0, 1]), ("GPU-b", [1]), ("7", []), ("-1", [])],
)
def test_hidden_gpus_are_not_here(tmp_path: Path, selection: str, indices: list[int]) -> None:
    """CUDA_VISIBLE_DEVICES hides by number and by UUID, the empty one hides all."""
    environment = fake_nvidia_smi(tmp_path, TWO) | {"CUDA_VISIBLE_DEVICES": selection}
    assert [gpu.index for gpu in installed_gpus(environment)] == indices


def test_no_program_and_a_failing_one_both_mean_none(tmp_path: Path) -> None:
    """A container without a GPU often has the program and no driver."""
    assert installed_gpus({"PATH": str(tmp_path)}) == ()
    assert installed_gpus(fake_nvidia_smi(tmp_path, "no devices were found\\n", status=9)) == ()


def test_a_program_that_hangs_is_said_and_means_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lost driver ends in one line, not in a traceback."""
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\nexec sleep 20\n")
    program.chmod(0o755)
    told: list[str] = []
    monkeypatch.setattr(devices, "ANSWER_SECONDS", 0.2)
    monkeypatch.setattr(devices, "stderr", SimpleNamespace(print=told.append))
    assert installed_gpus({"PATH": str(tmp_path)}) == ()
    assert told == [f"{program}: no answer in 0.2 s, taken for a machine without GPU"]
