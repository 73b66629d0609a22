"""The presets that a machine gets, as CMake's schema 6 spells them, and the mark that they bear."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tools.presets.jobs import Jobs

Kind = Literal["configurePresets", "buildPresets"]
Preset = dict[str, Any]
GENERATOR = "tools/generate_cmake_presets.py"
VENDOR = "vllm-deepgemm"


@dataclass(frozen=True, kw_only=True)
class Facts:
    """All that a preset says of a machine and of its person's wishes."""

    name: str
    nvcc: Path | None
    python: Path
    launcher: Path | None
    build_type: str
    cuda_flags: str
    architectures: str
    jobs: Jobs


def generate(facts: Facts) -> dict[Kind, Preset]:
    """Return the configure and the build preset."""
    parts = "all parts" if facts.nvcc else "CPU parts only: no nvcc was found"
    configure: Preset = {
        "name": facts.name,
        "inherits": "base",
        "displayName": f"This machine, {parts}",
        # Only some parts of the tree enable each language.
        "warnings": {"unusedCli": False},
        "cacheVariables": _variables(facts),
    }
    build: Preset = {
        "name": facts.name,
        "configurePreset": facts.name,
        "jobs": facts.jobs.all,
    }
    return {"configurePresets": _marked(configure), "buildPresets": _marked(build)}


def is_generated(preset: Preset) -> bool:
    """Say whether a preset bears our mark, edited since or not."""
    return _mark(preset) is not None


def is_edited(preset: Preset) -> bool:
    """Say whether a generated preset was edited since."""
    mark = _mark(preset)
    return mark is not None and mark.get("digest") != _digest(preset)


def _variables(facts: Facts) -> dict[str, str]:
    variables = {
        "CMAKE_BUILD_TYPE": facts.build_type,
        "CMAKE_INSTALL_PREFIX": "${sourceDir}",
        "VLLM_PYTHON_EXECUTABLE": str(facts.python),
        "VLLM_TARGET_DEVICE": "cuda" if facts.nvcc else "cpu",
        "CMAKE_JOB_POOLS": facts.jobs.pools(),
        "CMAKE_JOB_POOL_COMPILE": "compile",
        "CMAKE_JOB_POOL_LINK": "link",
        "VLLM_CUDA_JOB_POOL": "cuda",
    }
    languages = ("C", "CXX", "CUDA") if facts.nvcc else ("C", "CXX")
    if facts.launcher:
        launchers = {f"CMAKE_{each}_COMPILER_LAUNCHER": str(facts.launcher) for each in languages}
        variables |= launchers
    if facts.nvcc:
        # One fact, two names: CMake's CUDA language and our custom commands (decision 5).
        variables |= {
            "CMAKE_CUDA_COMPILER": str(facts.nvcc),
            "DEEPGEMM_NVCC": str(facts.nvcc),
            "CMAKE_CUDA_FLAGS": facts.cuda_flags,
            "CMAKE_CUDA_ARCHITECTURES": facts.architectures,
            "NVCC_THREADS": str(facts.jobs.nvcc_threads),
        }
    return variables


def _marked(preset: Preset) -> Preset:
    return {**preset, "vendor": {VENDOR: {"generator": GENERATOR, "digest": _digest(preset)}}}


def _mark(preset: Preset) -> Mapping[str, Any] | None:
    vendor = preset.get("vendor")
    mark = vendor.get(VENDOR) if isinstance(vendor, dict) else None
    return mark if isinstance(mark, dict) and mark.get("generator") == GENERATOR else None


def _digest(preset: Preset) -> str:
    content = {key: value for key, value in preset.items() if key != "vendor"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
