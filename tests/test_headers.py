"""Every header of csrc compiles alone, so that none leans on what another includes."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sysconfig
from pathlib import Path

import pytest

from tools.toolchain import Toolkit, find_toolkit

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "csrc" / "deep_gemm"
HOST = sorted(
    file for room in ("shared", "host", "binding") for file in (SOURCE / room).rglob("*.hpp")
)
DEVICE = sorted((SOURCE / "device").rglob("*.cuh"))
OPERATORS = ROOT / "csrc" / "ops"
OPERATORS_HOST = sorted(OPERATORS.rglob("*.hpp"))
OPERATORS_DEVICE = sorted(OPERATORS.rglob("*.cuh"))


@pytest.fixture(scope="module")
def toolkit() -> Toolkit:
    found = find_toolkit(ROOT, os.environ, os.environ.get("DEEPGEMM_NVCC", ""))
    if found is None:
        pytest.skip("needs nvcc 12.8 or later, found none")
    return found


def include(folder: Path, header: Path, suffix: str, root: Path = SOURCE) -> Path:
    """A source that holds nothing but the header."""
    source = folder / f"alone{suffix}"
    source.write_text(f'#include "{header.relative_to(root)}"\n')
    return source


def compile_alone(*command: str | Path) -> None:
    done = subprocess.run(
        list(map(str, command)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "warning" not in done.stdout, done.stdout


@pytest.mark.parametrize("header", HOST, ids=lambda file: str(file.relative_to(SOURCE)))
def test_a_host_header_compiles_alone(header: Path, toolkit: Toolkit, tmp_path: Path) -> None:
    """By the host compiler, with the include folders that its room may use."""
    in_binding = header.is_relative_to(SOURCE / "binding")
    system = sysconfig.get_path("include") if in_binding else toolkit.include
    source = include(tmp_path, header, ".cpp")
    options = ("-std=c++20", "-Wall", "-Wextra", "-fsyntax-only")
    compile_alone("c++", *options, "-I", SOURCE, "-isystem", system, source)


@pytest.mark.parametrize("header", DEVICE, ids=lambda file: str(file.relative_to(SOURCE)))
def test_a_device_header_compiles_alone(header: Path, toolkit: Toolkit, tmp_path: Path) -> None:
    """By nvcc for sm_90a, with the folder of our sources alone."""
    source = include(tmp_path, header, ".cu")
    target = ("-ptx", "-arch=sm_90a", "-std=c++20")
    compile_alone(toolkit.nvcc, *target, "-I", SOURCE, source, "-o", tmp_path / "alone.ptx")


@pytest.mark.parametrize(
    "header", OPERATORS_HOST, ids=lambda file: str(file.relative_to(OPERATORS))
)
def test_an_operators_host_header_compiles_alone(header: Path, tmp_path: Path) -> None:
    """The binding's with torch's headers, the others without."""
    source = include(tmp_path, header, ".cpp", OPERATORS)
    options = ["-std=c++20", "-Wall", "-Wextra", "-fsyntax-only", "-I", str(OPERATORS)]
    if header.is_relative_to(OPERATORS / "binding"):
        torch = importlib.util.find_spec("torch")
        assert torch is not None
        assert torch.submodule_search_locations
        options += ["-isystem", f"{torch.submodule_search_locations[0]}/include"]
        options += ["-DUSE_CUDA", "-fvisibility=hidden"]
    compile_alone("c++", *options, source)


@pytest.mark.parametrize(
    "header", OPERATORS_DEVICE, ids=lambda file: str(file.relative_to(OPERATORS))
)
def test_an_operators_device_header_compiles_alone(
    header: Path, toolkit: Toolkit, tmp_path: Path
) -> None:
    """By nvcc, with the folder of our sources alone."""
    source = include(tmp_path, header, ".cu", OPERATORS)
    target = ("-ptx", "-arch=sm_90a", "-std=c++20", "--expt-relaxed-constexpr")
    compile_alone(toolkit.nvcc, *target, "-I", OPERATORS, source, "-o", tmp_path / "alone.ptx")
