"""Which Python environment is meant, and the toolkit that its torch was built with."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tools.presets.environment import Environment
from tools.presets.errors import UnfitPythonError


def fake_python(prefix: Path, version: str = "3.12", torch: str = "") -> Path:
    """An interpreter that answers as a version does, with or without a torch."""
    packages = prefix / "lib"
    if torch:
        (packages / "torch").mkdir(parents=True)
        (packages / "torch" / "version.py").write_text(torch)
    answer = {"version": [int(part) for part in version.split(".")], "packages": [str(packages)]}
    python = prefix / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\necho '{json.dumps(answer)}'\n")
    python.chmod(0o755)
    return python


def test_the_active_environment_is_meant_where_none_is_named(tmp_path: Path) -> None:
    """A flag comes before VIRTUAL_ENV, that before CONDA_PREFIX, that before this interpreter."""
    named, active, conda = (fake_python(tmp_path / name) for name in "abc")
    environ = {"CONDA_PREFIX": str(tmp_path / "c")}
    assert Environment.find(tmp_path, environ, None).python == conda
    environ["VIRTUAL_ENV"] = str(tmp_path / "b")
    assert Environment.find(tmp_path, environ, None).python == active
    assert Environment.find(tmp_path, environ, str(named)).python == named
    assert Environment.find(tmp_path, {}, None).python == Path(sys.executable)


@pytest.mark.parametrize(
    ("text", "release"),
    [
        ("cuda: Optional[str] = '13.0'\n", "13.0"),
        ('cuda = "12.9"\n', "12.9"),
        ("cuda: Optional[str] = None\n", ""),
        ("", ""),
    ],
)
def test_the_release_of_torch_is_read_and_names_its_toolkit(
    tmp_path: Path, text: str, release: str
) -> None:
    """Its own release comes first, then the machine's only toolkit; a CPU torch names none."""
    fake_python(tmp_path / "venv", torch=text)
    found = Environment.find(tmp_path, {"VIRTUAL_ENV": str(tmp_path / "venv")}, None)
    assert found.torch_cuda == release
    folders = [nvcc.parts[-3] for nvcc in found.torch_nvccs()]
    assert folders == ([f"cuda-{release}", "cuda"] if release else [])


@pytest.mark.parametrize(
    ("text", "found"), [("exit 1", "something else"), ("echo '[]'", "something else")]
)
def test_what_is_no_interpreter_is_refused(tmp_path: Path, text: str, found: str) -> None:
    """One error with the flag, the path and what was found."""
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{text}\n")
    python.chmod(0o755)
    with pytest.raises(UnfitPythonError, match=rf"--python {python}: .*found {found}"):
        Environment.find(tmp_path, {}, str(python))
    with pytest.raises(UnfitPythonError, match="No such file"):
        Environment.find(tmp_path, {}, "/nowhere/python")
    with pytest.raises(UnfitPythonError, match=r"found 3\.9"):
        Environment.find(tmp_path, {}, str(fake_python(tmp_path / "old", "3.9")))
