"""Tests of the check: what it finds, and that it can find it."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from tests.tools.precompiled.wheels import make_wheel
from tools import precompiled_install_check
from tools.place_binaries import NoWheelError
from tools.precompiled_import_probe import module_name, strange
from tools.precompiled_install_check import CheckFailedError, Outcome, Scratch, main

PROBE = precompiled_install_check.PROBE


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (f"vllm/a/_C{EXTENSION_SUFFIXES[0]}", "vllm.a._C"),
        ("vllm/a/_C.abi3.so", "vllm.a._C"),
        ("vllm/a/_C.cpython-39-x86_64-linux-gnu.so", ""),
        ("vllm/a/liba.so", ""),
        ("vllm/a/b.py", ""),
    ],
)
def test_only_what_this_interpreter_loads_is_imported(path: str, name: str) -> None:
    """Another interpreter's extension is no failure here, and a plain library no module."""
    assert module_name(path) == name


def test_a_module_that_something_hides_is_named(tmp_path: Path) -> None:
    """A package and an extension in the place of a module are both told, with what is imported."""
    for path in ("vllm/one.py", "vllm/two.py", "vllm/two/__init__.py", "vllm/three.py"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    (tmp_path / "vllm/three.abi3.so").touch()
    found = strange(tmp_path, ["vllm/one.py", "vllm/two.py", "vllm/three.py", "vllm/data.json"])
    assert len(found) == 2
    assert "two/__init__.py" in found[0]
    assert "three.abi3.so" in found[1]


def test_a_package_from_elsewhere_is_strange(tmp_path: Path) -> None:
    """An environment that imports another vllm, or none, did not get this checkout."""
    question = json.dumps({"binaries": [], "modules": []})
    command = [sys.executable, "-I", "-S", str(PROBE), str(tmp_path), question]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["strange"]


def test_an_outcome_keeps_what_failed() -> None:
    """One row for each thing, one finding for each failure."""
    outcome = Outcome()
    outcome.expect("this", True, "unused")
    outcome.expect("that", False, "changed: a.py")
    assert outcome.rows == [("this", "ok"), ("that", "FAIL")]
    assert outcome.findings == ["that: changed: a.py"]


def test_the_clone_is_verified_by_the_interpreter_that_it_was_installed_for(
    tmp_path: Path,
) -> None:
    """A torch beside the check is not the one that the binaries meet."""
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "bare: $@"\n')
    python.chmod(0o755)
    scratch = Scratch(clone=tmp_path, python=python, settings={})
    said = precompiled_install_check._precompiled(scratch, "verify").stdout
    assert said.startswith("bare: -m tools.precompiled verify")


def test_without_a_wheel_the_check_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not pass silently."""
    monkeypatch.setattr(precompiled_install_check, "ROOT", tmp_path)
    with pytest.raises(NoWheelError, match="nox -s build_deepgemm"):
        main([])


@pytest.mark.network
def test_the_check_passes_with_protection_and_fails_without_its_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a wheel that carries a source file it passes; with one that carries none, the
    counter-proof finds no harm, and that is a failure too.
    """
    monkeypatch.setenv("VLLM_PRECOMPILED_CACHE", str(tmp_path / "cache"))
    library = tmp_path / "libone.so"
    command = ["g++", "-shared", "-fPIC", "-x", "c++", "-", "-o", str(library)]
    subprocess.run(command, input="int one() { return 1; }", text=True, check=True)
    binary = {"vllm/third_party/deep_gemm/libone.so": library.read_bytes()}
    harmful = {**binary, "vllm/third_party/deep_gemm/__init__.py": b"overwritten = 1\n"}
    wheel = make_wheel(tmp_path / "harmful", harmful)
    assert main(["--wheel", str(wheel), "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["checks"].values()) == {"ok"}
    with pytest.raises(CheckFailedError, match="counter-proof: protection was off"):
        main(["--wheel", str(make_wheel(tmp_path / "harmless", binary))])


def test_a_wheel_that_is_not_there_is_said_before_anything_is_cloned(tmp_path: Path) -> None:
    """By one line, not by the log of an installer."""
    with pytest.raises(NoWheelError, match=r"nope.whl: expected a wheel, found no such file"):
        precompiled_install_check.main(["--wheel", str(tmp_path / "nope.whl")])
