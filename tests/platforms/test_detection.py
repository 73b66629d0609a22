"""Which platform a machine is taken for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from vllm.platforms.detection import Gpu, detect, visible
from vllm.platforms.interface import DeviceCapability

ROOT = Path(__file__).resolve().parents[2]
GPUS = [
    Gpu(name="H200", uuid="GPU-aa11", capability=DeviceCapability(9, 0)),
    Gpu(name="L4", uuid="GPU-bb22", capability=DeviceCapability(8, 9)),
]


def test_a_cpu_build_of_torch_is_a_cpu_whatever_the_machine_has() -> None:
    """torch decides what it can do."""
    platform = detect({}, lambda: GPUS, "")
    assert platform.is_cpu()
    assert platform.device_type == "cpu"
    assert not platform.has_device_capability(10)


def test_a_cuda_build_without_a_device_is_a_cpu() -> None:
    """A container without the driver still runs."""
    assert detect({}, list, "13.0").reason == "no CUDA device is visible"


def test_without_nvml_cuda_itself_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some containers bring the driver's libraries in part."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert detect({}, lambda: None, "13.0").is_cpu()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (9, 0))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "H200")
    assert detect({}, lambda: None, "13.0").has_device_capability((9, 0))


def test_the_first_visible_device_gives_the_capability() -> None:
    """Its kernels are chosen by it."""
    platform = detect({}, lambda: GPUS, "13.0")
    assert platform.is_cuda()
    assert platform.capability == (9, 0)
    assert platform.has_device_capability(90)
    assert platform.has_device_capability((8, 9))
    assert not platform.has_device_capability(100)


@pytest.mark.parametrize(
    ("selection", "names"),
    [
        (None, ["H200", "L4"]),
        ("1,0", ["L4", "H200"]),
        ("GPU-bb", ["L4"]),
        ("", []),
        ("-1", []),
        ("0,7,1", ["H200"]),
        ("MIG-5f2a", ["H200"]),
    ],
)
def test_visible_devices_are_cuda_s(selection: str | None, names: list[str]) -> None:
    """By number or by the beginning of a UUID, up to the first that is none."""
    assert [gpu.name for gpu in visible(GPUS, selection)] == names


def test_asking_for_the_platform_makes_no_cuda_context() -> None:
    """A process may fork afterwards."""
    code = (
        "from vllm.platforms import current_platform as p; import torch;"
        "print(p.name in ('cpu', 'cuda'), torch.cuda.is_initialized())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["True", "False"]
