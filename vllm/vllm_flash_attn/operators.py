"""Which precompiled FlashAttention operators there are, and why not the others.

Each version is probed once, at its first use: the very operator is asked for, so that a binary
that is there but broken is told apart from one that is absent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, Literal

import torch

State = Literal["usable", "absent", "broken", "wrong device"]
VERSIONS = (3, 2)
HOW_TO_GET = "VLLM_USE_PRECOMPILED=1 uv pip install -e . (docs/precompiled.md)"


@dataclass(frozen=True, kw_only=True)
class Build:
    """One version's binary: its module, its operator, the GPUs that it has code for."""

    module: str
    operator: str
    capabilities: tuple[int, ...]
    # Compute capability in words.
    devices: str


BUILDS = {
    2: Build(
        module="_vllm_fa2_C",
        operator="varlen_fwd",
        capabilities=(8, 9, 10, 11, 12),
        devices="8.0 or later",
    ),
    3: Build(module="_vllm_fa3_C", operator="fwd", capabilities=(9,), devices="9.0"),
}


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What was found of one version; `reason` is empty where it is usable."""

    state: State
    reason: str = ""


@cache
def probe(version: int) -> Probe:
    """Return whether the operator of this FlashAttention version can be called here."""
    build = BUILDS.get(version)
    if build is None:
        return Probe(state="absent", reason=f"FA{version}: expected one of FA2, FA3")
    found = _loaded(build)
    if found is not None:
        return found
    if not torch.cuda.is_available():
        return Probe(state="wrong device", reason=f"{build.module}: torch sees no CUDA device")
    capability = torch.cuda.get_device_capability()
    if capability[0] not in build.capabilities:
        return Probe(
            state="wrong device",
            reason=f"{build.module}: expected compute capability {build.devices}, "
            f"found {capability[0]}.{capability[1]}",
        )
    return Probe(state="usable")


def operator(version: int, name: str = "") -> Callable[..., Any]:
    """Return an operator of a usable version. Raises: RuntimeError with the probe's reason."""
    found = probe(version)
    if found.state != "usable":
        raise RuntimeError(f"FlashAttention {version} cannot be used: {found.reason}")
    build = BUILDS[version]
    function: Callable[..., Any] = getattr(getattr(torch.ops, build.module), name or build.operator)
    return function


def best_version() -> int | None:
    """Return the newest usable version, None where there is none."""
    return next((version for version in VERSIONS if probe(version).state == "usable"), None)


def _loaded(build: Build) -> Probe | None:
    """Load the binary; None when it registered the operator."""
    name = f"vllm.vllm_flash_attn.{build.module}"
    try:
        import_module(name)
    except ModuleNotFoundError as error:
        if error.name == name:
            return Probe(state="absent", reason=f"{name} is not installed; {HOW_TO_GET}")
        return Probe(state="broken", reason=f"{name}: {error}")
    except (ImportError, OSError) as error:
        # An undefined symbol or a missing library: the binary is for another torch or CUDA.
        return Probe(state="broken", reason=f"{name}: {error}; {HOW_TO_GET}")
    if not hasattr(getattr(torch.ops, build.module), build.operator):
        return Probe(state="broken", reason=f"{name} registers no operator {build.operator}")
    return None
