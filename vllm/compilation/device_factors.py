"""The devices that code is compiled for, as plain factors, and the variables that compilers read.

No host name and no device's serial: two machines alike share their entries.
"""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import torch

from vllm import envs
from vllm.compilation.factors import Plain

# Variables of others that change generated code and that no setting of torch's shows.
FOREIGN_VARIABLES = ("TRITON_DEFAULT_FP_FUSION", "TRITON_INTERPRET", "TRITON_OVERRIDE_ARCH")


def environment_factors() -> dict[str, Plain]:
    """Return the variables of the allow-list, as they are now."""
    foreign = {name: os.environ.get(name) for name in FOREIGN_VARIABLES}
    compiled = [variable for variable in envs.VARIABLES.values() if variable.compiled]
    own = {variable.name: variable.read(os.environ) for variable in compiled}
    return {
        **{name: value for name, value in foreign.items() if value is not None},
        **{name: list(v) if isinstance(v, tuple) else v for name, v in own.items()},
    }


def device_factors(devices: Iterable[torch.device]) -> dict[str, Plain]:
    """Return what the given devices are."""
    kinds = {(device.type, device.index) for device in devices}
    return {
        kind if index is None else f"{kind}:{index}": _described(kind, index)
        for kind, index in sorted(kinds, key=str)
    }


@cache
def _described(kind: str, index: int | None) -> Plain:
    if kind == "cuda":
        gpu = torch.cuda.get_device_properties(index if index is not None else "cuda")
        return {
            "name": gpu.name,
            "capability": f"{gpu.major}.{gpu.minor}",
            "multiprocessors": gpu.multi_processor_count,
            "runtime": str(torch.version.cuda),
        }
    if kind == "cpu":
        return {
            "machine": platform.machine(),
            "capability": torch.backends.cpu.get_cpu_capability(),
            "flags": _instructions(),  # C++ kernels are compiled for the very CPU (-march=native)
        }
    return {}


def _instructions() -> str:
    """Return the digest of the CPU's feature flags; where they cannot be read, its name."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor()
    lines = [
        line for line in text.splitlines() if line.startswith(("flags", "Features", "model name"))
    ]
    return hashlib.sha256("\n".join(sorted(set(lines))).encode()).hexdigest()
