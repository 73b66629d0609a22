"""The operators under test: those in the checkout, else the CPU's built here once.

Tests marked `hopper` run the same operators on an sm_90 GPU and are skipped, visibly, elsewhere.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests import hopper
from tests.ops.reference import DTYPES
from vllm.utils import compiled_operators

ROOT = Path(__file__).resolve().parents[2]

pytest_collection_modifyitems = hopper.pytest_collection_modifyitems


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.hopper)])
def device(request: pytest.FixtureRequest) -> torch.device:
    return torch.device(request.param)


@pytest.fixture(params=DTYPES, ids=str)
def dtype(request: pytest.FixtureRequest) -> torch.dtype:
    chosen: torch.dtype = request.param
    return chosen


@pytest.fixture(scope="session", autouse=True)
def operators() -> None:
    """Load vllm._C, building the CPU's operators first where the checkout has none."""
    if importlib.util.find_spec("vllm._C") is None:
        _load(_build(ROOT / "build" / "operators"))
    missing = set(compiled_operators.OPERATORS) - set(compiled_operators.load())
    assert not missing, f"vllm._C: expected {sorted(missing)}; is it another build's?"


def _build(folder: Path) -> Path:
    options = ("-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-DVLLM_TARGET_DEVICE=cpu")
    environ = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    for command in (
        [
            "cmake",
            "-S",
            str(ROOT),
            "-B",
            str(folder),
            *options,
            f"-DVLLM_PYTHON_EXECUTABLE={sys.executable}",
        ],
        ["cmake", "--build", str(folder), "--target", "vllm_C"],
    ):
        subprocess.run(command, check=True, env=environ)
    return folder / "operators" / "_C.abi3.so"


def _load(file: Path) -> None:
    """Import the file as vllm._C, from where it was built."""
    spec = importlib.util.spec_from_file_location("vllm._C", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["vllm._C"] = module
    spec.loader.exec_module(module)
