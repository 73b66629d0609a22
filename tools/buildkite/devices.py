"""Which hardware each device name asks for, and whether this machine has it.

GPUs are asked of nvidia-smi, never of torch. Source of the names: vLLM's step files.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tools.buildkite.step import Step
from tools.console import stderr

# Compute capability of the NVIDIA devices. A name with a memory size is a slice of that GPU.
CAPABILITIES = {
    "a100": "8.0",
    "l4": "8.9",
    "h100": "9.0",
    "h200": "9.0",
    "h200_18gb": "9.0",
    "h200_35gb": "9.0",
    "gh200": "9.0",
    "b200": "10.0",
    "b200-k8s": "10.0",
    "dgx-spark": "12.1",
}
CPUS = ("cpu", "cpu-small", "cpu-medium", "intel_cpu", "amd_cpu", "zen5")
OTHERS = ("arm_cpu", "ascend_npu", "intel_gpu", "intel_hpu")
AMD_GPU = re.compile(r"(amd_)?mi\d{3}_[1248]")

ANSWER_SECONDS = 60.0  # a driver that is lost lets nvidia-smi hang
DEFAULT_QUEUE = "gpu"  # a step without a device runs on any one NVIDIA GPU, as vLLM's do


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """One NVIDIA GPU as nvidia-smi names it."""

    index: int
    uuid: str
    name: str
    capability: str

    @property
    def architecture(self) -> str:
        """Return the name that compilers use, such as sm_90."""
        return "sm_" + self.capability.replace(".", "")


def known(device: str) -> bool:
    """Say whether the device is one that vLLM's files name."""
    return device in (*CAPABILITIES, *CPUS, *OTHERS) or bool(AMD_GPU.fullmatch(device))


def names() -> tuple[str, ...]:
    """Return every device name, the AMD GPUs by an example of each kind."""
    return (*CAPABILITIES, *CPUS, *OTHERS, "mi250_1", "mi300_1", "mi325_1", "mi355_1")


def needs_gpu(step: Step) -> bool:
    """Say whether the step's jobs hold an NVIDIA GPU."""
    if step.no_gpu or step.label.startswith(":docker:"):
        return False
    return step.device is None or step.device in CAPABILITIES


def queue(step: Step) -> str:
    """Return the agents' queue of the step's device."""
    if step.device is None:
        return DEFAULT_QUEUE if needs_gpu(step) else "cpu"
    return step.device


def fitting(step: Step, gpus: Sequence[Gpu]) -> tuple[Gpu, ...]:
    """Return the GPUs that can run the step."""
    wanted = CAPABILITIES.get(step.device or "")
    return tuple(gpu for gpu in gpus if wanted in (None, gpu.capability))


def missing(step: Step, gpus: Sequence[Gpu]) -> str | None:
    """Say what the step needs and what was found, or None where the machine has it."""
    if step.num_nodes > 1:
        return f"needs {step.num_nodes} nodes, found 1"
    device = step.device or ""
    if not step.no_gpu and (device in OTHERS or AMD_GPU.fullmatch(device)):
        return f"needs {device}, found {_found(gpus)}"
    if not needs_gpu(step) or len(fitting(step, gpus)) >= step.num_devices:
        return None
    capability = CAPABILITIES.get(device)
    wanted = "sm_" + capability.replace(".", "") if capability else "an NVIDIA GPU"
    count = f"{step.num_devices} x " if step.num_devices > 1 else ""
    return f"needs {count}{wanted}, found {_found(gpus)}"


def installed_gpus(environment: Mapping[str, str] = os.environ) -> tuple[Gpu, ...]:
    """Return the GPUs that nvidia-smi reports and CUDA_VISIBLE_DEVICES lets through."""
    program = shutil.which("nvidia-smi", path=environment.get("PATH"))
    if program is None:
        return ()
    query = [program, "--query-gpu=index,uuid,name,compute_cap", "--format=csv,noheader"]
    try:
        answer = subprocess.run(
            query, capture_output=True, text=True, check=False, timeout=ANSWER_SECONDS
        )
    except subprocess.TimeoutExpired:
        stderr.print(
            f"{program}: no answer in {ANSWER_SECONDS:g} s, taken for a machine without GPU"
        )
        return ()
    if answer.returncode != 0:
        return ()
    gpus = tuple(_gpu(line) for line in answer.stdout.splitlines() if line.count(",") >= 3)
    return _visible(gpus, environment.get("CUDA_VISIBLE_DEVICES"))


def _gpu(line: str) -> Gpu:
    index, uuid, *name, capability = (part.strip() for part in line.split(","))
    return Gpu(index=int(index), uuid=uuid, name=",".join(name), capability=capability)


def _visible(gpus: tuple[Gpu, ...], selection: str | None) -> tuple[Gpu, ...]:
    if selection is None:
        return gpus
    wanted = [part.strip() for part in selection.split(",") if part.strip()]
    return tuple(
        gpu
        for gpu in gpus
        if any(str(gpu.index) == part or gpu.uuid.startswith(part) for part in wanted)
    )


def _found(gpus: Sequence[Gpu]) -> str:
    return ", ".join(f"{gpu.architecture} ({gpu.name})" for gpu in gpus) or "none"
