"""A table of machines: each gets the right file, or one clear error and none."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools.presets.machines import GIB, ROOT, Checkout, fake_nvcc, typing
from tools import generate_cmake_presets
from tools.presets import environment
from tools.presets.machine import Machine
from tools.toolchain.toolkit import UnfitToolkitError

SCRIPT = ROOT / "tools" / "generate_cmake_presets.py"


@pytest.fixture(autouse=True)
def no_toolkit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Toolkits of this machine and its packages are none of these tests' business."""
    monkeypatch.setattr(sys, "path", [folder for folder in sys.path if "packages" not in folder])
    monkeypatch.setattr(environment, "TOOLKITS", ())
    monkeypatch.setattr(environment.Environment, "find", staticmethod(_bare))


def _bare(root: Path, environ: object, named: str) -> environment.Environment:
    return environment.Environment(python=Path(named), packages=(), torch_cuda="")


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


@pytest.mark.parametrize(
    ("cores", "gib", "pools", "jobs"),
    [
        (2, 24, "compile=2;cuda=2;link=2", 2),
        (64, 64, "compile=64;cuda=64;link=64", 64),
        (64, 16, "compile=32;cuda=16;link=16", 32),
        (0.5, 24, "compile=1;cuda=1;link=1", 1),
    ],
)
def test_a_machine_gets_the_jobs_that_it_bears(
    checkout: Checkout, cores: float, gib: int, pools: str, jobs: int
) -> None:
    """Build jobs and pools follow processors, quota and memory; the pools are assigned."""
    checkout.machine = Machine(cores=cores, memory=gib * GIB)
    assert checkout.run() == 0
    value = json.loads(checkout.file.read_text())
    assert (value["version"], value["cmakeMinimumRequired"]["minor"]) == (6, 26)
    variables = checkout.variables()
    assert variables["CMAKE_JOB_POOLS"] == pools
    assert variables["CMAKE_JOB_POOL_COMPILE"] == "compile"
    assert variables["CMAKE_JOB_POOL_LINK"] == "link"
    assert variables["VLLM_CUDA_JOB_POOL"] == "cuda"
    assert value["buildPresets"][0]["jobs"] == jobs


def test_every_variable_follows_its_flag(checkout: Checkout, tmp_path: Path) -> None:
    """What is given is taken; what is not has its default."""
    nvcc = fake_nvcc(tmp_path / "other")
    checkout.run()
    assert (
        checkout.variables().items()
        >= {
            "CMAKE_CUDA_COMPILER": str(checkout.nvcc),
            "DEEPGEMM_NVCC": str(checkout.nvcc),
            "VLLM_PYTHON_EXECUTABLE": sys.executable,
            "CMAKE_INSTALL_PREFIX": "${sourceDir}",
            "CMAKE_BUILD_TYPE": "Release",
            "CMAKE_CUDA_FLAGS": "",
            "CMAKE_CUDA_ARCHITECTURES": "90a",
            "NVCC_THREADS": "1",
        }.items()
    )
    given = ("--preset", "mine", "--nvcc", str(nvcc), "--build-type", "Debug", "--jobs", "6")
    more = ("--cuda-arch", "90a;100a", "--force-overwrite")
    assert checkout.run(*given, *more, CUDAFLAGS="-lineinfo") == 0
    assert (
        checkout.variables("mine").items()
        >= {
            "CMAKE_CUDA_COMPILER": str(nvcc),
            "DEEPGEMM_NVCC": str(nvcc),
            "CMAKE_BUILD_TYPE": "Debug",
            "CMAKE_CUDA_FLAGS": "-lineinfo",
            "CMAKE_CUDA_ARCHITECTURES": "90a;100a",
            "NVCC_THREADS": "2",
            "CMAKE_JOB_POOLS": "compile=6;cuda=3;link=6",
        }.items()
    )
    assert checkout.variables()["CMAKE_BUILD_TYPE"] == "Release"


def test_a_compiler_cache_stands_before_all_compilers(checkout: Checkout) -> None:
    """The same one that CMake itself would choose."""
    for name in generate_cmake_presets.LAUNCHERS:
        (checkout.bin / name).write_text("#!/bin/sh\n")
        (checkout.bin / name).chmod(0o755)
    checkout.run()
    for language in ("C", "CXX", "CUDA"):
        launcher = checkout.variables()[f"CMAKE_{language}_COMPILER_LAUNCHER"]
        assert launcher == str(checkout.bin / "sccache")
    rule = (ROOT / "cmake" / "deepgemm_compiler_cache.cmake").read_text()
    found = re.search(r"NAMES (\w+) (\w+)", rule)
    assert found
    assert found.groups() == generate_cmake_presets.LAUNCHERS


def test_without_nvcc_there_is_a_preset_for_the_cpu_parts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No terminal: nothing is asked, and the flag to give is named."""
    checkout = Checkout(tmp_path, nvcc=False)
    assert checkout.run("--no-input") == 0
    assert checkout.variables()["VLLM_TARGET_DEVICE"] == "cpu"
    assert not [name for name in checkout.variables() if "CUDA_COMP" in name or "NVCC" in name]
    assert "give --nvcc" in capsys.readouterr().err


def test_on_a_terminal_a_missing_nvcc_is_asked_for(tmp_path: Path) -> None:
    """A path is checked and taken; an empty line and an end of input mean the CPU parts."""
    checkout = Checkout(tmp_path, nvcc=False)
    nvcc = fake_nvcc(tmp_path / "toolkit")
    for typed, device in (("\n", "cpu"), ("", "cpu"), (f"{nvcc}\n", "cuda")):
        checkout.questions = typing(typed)
        assert checkout.run("--force-overwrite") == 0
        assert checkout.variables()["VLLM_TARGET_DEVICE"] == device
    checkout.questions = typing("/nowhere/nvcc\n")
    with pytest.raises(UnfitToolkitError, match=r"answer=/nowhere/nvcc: .*No such file"):
        checkout.run("--force-overwrite")


def test_on_a_terminal_nothing_is_asked_that_can_be_found(checkout: Checkout) -> None:
    """An answer would be left over."""
    checkout.questions = typing("left over\n")
    checkout.run()
    assert checkout.questions.answers.read() == "left over\n"


def test_what_was_named_and_does_not_serve_is_refused(checkout: Checkout, tmp_path: Path) -> None:
    """A flag is named in the error, and no file is written."""
    old = fake_nvcc(tmp_path / "old", "11.8")
    with pytest.raises(UnfitToolkitError, match=r"--nvcc=.*found release 11\.8"):
        checkout.run("--nvcc", str(old))
    assert not checkout.file.exists()


@pytest.mark.parametrize("count", ["0", "-1", "many"])
def test_jobs_are_a_number(checkout: Checkout, count: str) -> None:
    """Anything else is told before anything is looked for."""
    with pytest.raises(SystemExit) as ended:
        checkout.run(f"--jobs={count}")
    assert ended.value.code == 2


def test_a_terminal_whose_input_ends_gives_no_traceback(tmp_path: Path) -> None:
    """The script itself on a real terminal, ended by control-D at its question."""
    copy = tmp_path / "checkout"
    copy.mkdir()
    (copy / "CMakePresets.json").symlink_to(ROOT / "CMakePresets.json")
    (copy / "CMakeUserPresets.json").write_text('{"version": 6}')
    code = (
        "import sys; from pathlib import Path; from tools.errors import exit_with; "
        "from tools.generate_cmake_presets import main; "
        f"exit_with(lambda: main(['--nvcc', {str(fake_nvcc(tmp_path / 'n'))!r}], "
        f"root=Path({str(copy)!r})))"
    )
    leader, follower = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdin=follower, stdout=follower, stderr=follower
    ) as process:
        os.close(follower)
        os.write(leader, b"\x04")
        said = b""
        while chunk := _read(leader):
            said += chunk
    os.close(leader)
    assert process.returncode == 74
    assert b"Traceback" not in said
    assert b"[y/N]" in said


def _read(leader: int) -> bytes:
    try:
        return os.read(leader, 4096)
    except OSError:  # EIO: the other side is closed
        return b""


def test_the_script_runs_from_another_folder(tmp_path: Path) -> None:
    """Named by its path, with stdin closed."""
    nvcc = fake_nvcc(tmp_path / "n")
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--print", "--nvcc", str(nvcc), "--preset", "elsewhere"],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert str(nvcc) in done.stdout
