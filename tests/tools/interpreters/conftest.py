"""A machine in a temporary folder: fake interpreters, a fake uv, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.scripts import python_script
from tests.tools.interpreters.fakes import UV, FakePython, script
from tools.interpreters.facts import Interpreter
from tools.interpreters.places import Places


@pytest.fixture
def fake_python(tmp_path: Path) -> FakePython:
    """Write a script that prints the facts of a CPython, and notes in `runs` that it ran."""

    def write(path: Path | str, version: str = "3.12.1", **changed: str | bool) -> Interpreter:
        path = tmp_path / path
        tag = "cpython-" + "".join(version.split(".")[:2])
        facts: dict[str, str | bool] = {
            "executable": str(path),
            "base_executable": str(path),
            "implementation": "cpython",
            "version": version,
            "soabi": f"{tag}-x86_64-linux-gnu",
            "ext_suffix": f".{tag}-x86_64-linux-gnu.so",
            "include": "/include",
            "platinclude": "/include",
            "python_h": True,
            "pyconfig_h": True,
            "free_threaded": False,
            "cache_tag": tag,
            "machine": "x86_64",
            "platform": "linux-x86_64",
            "error": "",
        }
        facts.update(changed)
        said = json.dumps(facts)
        script(path, f"echo {path} >> {tmp_path}/runs\nprintf '%s\\n' '{said}'")
        return Interpreter.parse(said)

    return write


@pytest.fixture
def fake_uv(tmp_path: Path) -> Path:
    """Write a uv that makes links for venvs and installs what lies in `store`; it logs."""
    return python_script(tmp_path / "uvbin" / "uv", UV)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """Name places below the temporary folder, all empty."""
    return Places(
        pyenv=tmp_path / "pyenv" / "versions",
        manylinux=tmp_path / "manylinux",
        uv=tmp_path / "uvbin" / "managed",
        path=(tmp_path / "one", tmp_path / "two"),
    )


@pytest.fixture
def environ(tmp_path: Path, fake_uv: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Describe a machine with uv and otherwise only what a test puts below the temporary folder."""
    monkeypatch.setattr("tools.interpreters.places.MANYLINUX", tmp_path / "manylinux")
    return {
        "HOME": str(tmp_path / "home"),
        "PYENV_ROOT": str(tmp_path / "pyenv"),
        "UV": str(fake_uv),
        "PATH": str(tmp_path / "one"),
    }
