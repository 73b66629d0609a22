"""The doctor of the build: each answer with and without what it looks for, and the exit code."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.tools.presets.machines import Checkout
from tests.tools.wheel.little_wheels import good_files, needs_compiler, write_wheel
from tools import doctor
from tools.doctor import CannotBuildError, look, main
from tools.presets.machine import Machine

ROOT = doctor.ROOT
OLD_COMPILER = """\
#!/bin/sh
# Knows its version and no C++20.
[ "$1" = --version ] && echo "c++ (Old) 4.8.5" && exit 0
echo "error: unrecognized command line option -std=c++20" >&2; exit 1
"""


def program(folder: Path, name: str, text: str) -> str:
    """Write a program and return a PATH that has it alone."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    (folder / name).chmod(stat.S_IRWXU)
    return str(folder)


def bare(folder: Path, **more: str) -> dict[str, str]:
    """An environment in which nothing is found."""
    empty = str(folder / "empty")
    places = {"HOME": empty, "PYENV_ROOT": empty, "UV_PYTHON_INSTALL_DIR": empty, "PATH": empty}
    return {**places, **more}


def test_a_machine_that_can_build_is_told_so(capsys: pytest.CaptureFixture[str]) -> None:
    """Every question has a row; the table is for people, --json for programs."""
    if look("toolkit", doctor.ask_toolkit, ROOT, os.environ).state == "FAIL":
        pytest.skip("needs a machine on which the wheel can be built")
    assert main([]) == 0
    shown = capsys.readouterr()
    assert shown.out == "the wheel can be built here\n"
    assert "interpreters" in shown.err
    assert main(["--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["can_build"] is True
    assert [row["subject"] for row in told["rows"]] == list(doctor.QUESTIONS)


def test_what_a_build_lacks_is_an_error_with_advice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All of it at once, after the table; what a build does not need is not in it."""
    with pytest.raises(CannotBuildError) as error:
        main(["--json"], bare(tmp_path))
    message = str(error.value)
    assert "\n  interpreters: none with headers; missing 3.10 3.11" in message
    assert "\n  compiler: none; install GCC 11 or later" in message
    assert "GPU" not in message
    assert json.loads(capsys.readouterr().out)["can_build"] is False


@pytest.mark.parametrize(("subject", "state"), [("toolkit", "FAIL"), ("presets", "warn")])
def test_what_a_tool_refuses_is_the_finding(tmp_path: Path, subject: str, state: str) -> None:
    """A named nvcc that is not there stops a build; presets are only out of order."""
    environ = bare(tmp_path, CUDACXX="/nowhere/nvcc")
    row = look(subject, doctor.QUESTIONS[subject], ROOT, environ)
    assert (row.state, row.advice) == (state, "name another or unset CUDACXX")
    assert "/nowhere/nvcc" in row.found


def test_a_machine_without_a_toolkit_brings_one(tmp_path: Path) -> None:
    """A warning: a package index has to be in reach."""
    state, found, _ = doctor.ask_toolkit(tmp_path, bare(tmp_path))
    assert state == "warn"
    assert "nvidia-cuda-nvcc==" in found


def test_a_compiler_is_judged_by_compiling(tmp_path: Path) -> None:
    """The one that CMake would take: CXX before PATH, with its options."""
    old = program(tmp_path / "old", "c++", OLD_COMPILER)
    state, found, advice = doctor.ask_compiler(ROOT, {"PATH": old})
    assert (state, found) == ("FAIL", f"{old}/c++: c++ (Old) 4.8.5: no C++20")
    assert "GCC 11" in advice
    good = program(tmp_path / "good", "c++", "#!/bin/sh\necho fine\n")
    assert doctor.ask_compiler(ROOT, {"PATH": good})[0] == "ok"
    assert doctor.ask_compiler(ROOT, {"PATH": good, "CXX": f"{old}/c++ -m64"})[0] == "FAIL"
    assert doctor.ask_compiler(ROOT, {"PATH": good, "CXX": "/nowhere/c++"})[0] == "FAIL"


@pytest.mark.parametrize(("capability", "state"), [("9.0", "ok"), ("8.0", "none")])
def test_a_gpu_is_named_and_only_hopper_is_well(
    tmp_path: Path, capability: str, state: str
) -> None:
    """Another one is no fault of a machine that builds."""
    answer = f"#!/bin/sh\necho '0, GPU-1, NVIDIA X, {capability}'\n"
    path = program(tmp_path / "bin", "nvidia-smi", answer)
    found = doctor.ask_gpu(ROOT, {"PATH": path})
    sm = capability.replace(".", "")
    assert (found[0], found[1]) == (state, f"NVIDIA X (sm_{sm})")


@needs_compiler
def test_the_newest_wheel_is_audited(tmp_path: Path) -> None:
    """A damaged one is said to be so."""
    assert doctor.ask_wheel(tmp_path, {})[:2] == ("none", "none in dist")
    (tmp_path / "dist").mkdir()
    wheel = write_wheel(tmp_path / "dist")
    assert doctor.ask_wheel(tmp_path, {}) == ("ok", wheel.name, "")
    files = good_files()
    files.popitem()
    files["x.so"] = b""
    write_wheel(tmp_path / "dist", files)
    state, found, _ = doctor.ask_wheel(tmp_path, {})
    assert state == "warn"
    assert found.startswith(f"{wheel.name}: ")


@pytest.mark.parametrize(
    ("told", "state", "words"),
    [
        ({"interrupted": True, "installed": False}, "warn", "interrupted"),
        ({"interrupted": False, "installed": False}, "none", "nothing installed"),
        (
            {"interrupted": False, "installed": True, "wheel": "w", "files": ["a"], "changed": []},
            *("ok", "1 files of w"),
        ),
        (
            {"interrupted": False, "installed": True, "wheel": "w", "files": ["a"], "changed": "a"},
            *("warn", "1 files of w, 1 changed since"),
        ),
    ],
)
def test_precompiled_binaries_are_told_with_their_state(
    monkeypatch: pytest.MonkeyPatch, told: Mapping[str, Any], state: str, words: str
) -> None:
    """What was interrupted or changed has a command that undoes it."""
    monkeypatch.setattr(doctor, "status", lambda _: told)
    found = doctor.ask_precompiled(ROOT, {})
    assert found[0] == state
    assert words in found[1]
    assert ("remove" in found[2]) is (state == "warn")


def test_torch_is_found_without_importing_it(tmp_path: Path) -> None:
    """By the metadata of the environment that is active."""
    site = tmp_path / "site"
    facts = json.dumps({"version": [3, 12], "packages": [str(site)]})
    program(tmp_path / "bin", "python", f"#!/bin/sh\necho '{facts}'\n")
    environ = {"VIRTUAL_ENV": str(tmp_path)}
    assert doctor.ask_torch(ROOT, environ)[0] == "none"
    (site / "torch-2.11.0.dist-info").mkdir(parents=True)
    (site / "torch-2.11.0.dist-info" / "METADATA").write_text("Name: torch\nVersion: 2.11.0\n")
    python = tmp_path / "bin" / "python"
    assert doctor.ask_torch(ROOT, environ) == ("ok", f"2.11.0 in {python}", "")


@pytest.mark.parametrize(("names", "found"), [(("sccache", "ccache"), "sccache"), ((), "no ")])
def test_a_compiler_cache_is_the_one_that_cmake_takes(
    tmp_path: Path, names: tuple[str, ...], found: str
) -> None:
    """sccache comes first."""
    (tmp_path / "bin").mkdir()
    for name in names:
        program(tmp_path / "bin", name, "#!/bin/sh\n")
    assert found in doctor.ask_cache(ROOT, {"PATH": str(tmp_path / "bin")})[1]


def test_presets_are_held_against_the_active_environment_or_their_own(tmp_path: Path) -> None:
    """Not against the interpreter that the doctor happens to run in."""
    checkout, pythons = Checkout(tmp_path), []
    for name in ("one", "other"):
        pythons.append(tmp_path / name / "bin" / "python")
        pythons[-1].parent.mkdir(parents=True)
        pythons[-1].symlink_to(sys.executable)
    checkout.machine, environ = Machine.read(), {"PATH": str(checkout.bin)}
    assert checkout.run("--python", str(pythons[0])) == 0
    assert doctor.ask_presets(checkout.root, environ)[0] == "ok"
    state, found, _ = doctor.ask_presets(
        checkout.root, {**environ, "VIRTUAL_ENV": str(tmp_path / "other")}
    )
    assert state == "warn"
    assert f"VLLM_PYTHON_EXECUTABLE: {pythons[0]} -> {pythons[1]}" in found
