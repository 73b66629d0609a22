"""The command line: paths on stdout, everything else on stderr, a plan before any effect."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.tools.interpreters.fakes import FakePython, uv_log
from tools.interpreters.__main__ import main
from tools.interpreters.search import InterpreterMissingError
from tools.interpreters.versions import VersionRefusedError

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def venvs(tmp_path: Path) -> list[str]:
    """Point the environments below the temporary folder."""
    return ["--venvs", str(tmp_path / "venvs")]


def test_stdout_is_ready_for_the_variable(
    environ: dict[str, str], fake_python: FakePython, venvs: list[str], capsys: Capture
) -> None:
    """Absolute paths joined by ":", in the order that was asked for; progress is on stderr."""
    fake_python("one/python3.12", "3.12.1")
    fake_python("one/python3.13", "3.13.0")
    assert main(["3.13", "3.12", *venvs], environ) == 0
    said = capsys.readouterr()
    assert said.out == f"{venvs[1]}/3.13/bin/python:{venvs[1]}/3.12/bin/python\n"
    assert "==> find interpreters" in said.err


def test_nothing_is_downloaded_when_nothing_is_missing(
    environ: dict[str, str], fake_python: FakePython, venvs: list[str]
) -> None:
    """uv says where its Pythons are and makes the environment."""
    fake_python("one/python3.12", "3.12.1")
    main(["3.12", *venvs], environ)
    commands = [call["arguments"][1] for call in uv_log(Path(environ["UV"]))]
    assert commands == ["python", "venv"]


def test_a_missing_version_is_a_warning_that_the_abi3_module_serves_it(
    environ: dict[str, str], fake_python: FakePython, venvs: list[str], capsys: Capture
) -> None:
    """By default; one attempt to install it was made."""
    fake_python("one/python3.12", "3.12.1")
    assert main(["3.12", "3.13", *venvs], environ) == 0
    said = capsys.readouterr()
    assert said.out == f"{venvs[1]}/3.12/bin/python\n"
    assert "warning: CPython 3.13" in said.err
    assert "the abi3 module serves it" in said.err
    assert "error: no network" in said.err


def test_strict_makes_it_an_error_before_anything_is_made(
    environ: dict[str, str], fake_python: FakePython, venvs: list[str], tmp_path: Path
) -> None:
    """No environment is made for a build that won't happen."""
    fake_python("one/python3.12", "3.12.1")
    with pytest.raises(InterpreterMissingError, match=r"CPython 3\.11, 3\.13"):
        main(["3.11", "3.12", "3.13", "--strict", *venvs], environ)
    assert not (tmp_path / "venvs").exists()


def test_what_uv_installs_is_found(
    environ: dict[str, str],
    fake_python: FakePython,
    fake_uv: Path,
    venvs: list[str],
    capsys: Capture,
) -> None:
    """The one attempt is worth making."""
    fake_python(fake_uv.parent / "managed/cpython-3.13.0-linux/bin/python3", "3.13.0")
    shutil.move(fake_uv.parent / "managed", fake_uv.parent / "store")
    assert main(["3.13", "--strict", *venvs], environ) == 0
    assert capsys.readouterr().out == f"{venvs[1]}/3.13/bin/python\n"


def test_versions_outside_of_requires_python_are_an_error(
    environ: dict[str, str], venvs: list[str]
) -> None:
    """3.9 would compile and then never be installed."""
    with pytest.raises(VersionRefusedError, match=r"VERSION 3\.9"):
        main(["3.9", *venvs], environ)


def test_the_default_is_what_requires_python_admits(
    environ: dict[str, str], fake_python: FakePython, venvs: list[str], capsys: Capture
) -> None:
    """Of this repository's pyproject.toml."""
    for version in ("3.9.18", "3.10.13", "3.11.7"):
        fake_python(f"pyenv/versions/{version}/bin/python3", version)
    assert main(venvs, environ) == 0
    assert capsys.readouterr().out == f"{venvs[1]}/3.10/bin/python:{venvs[1]}/3.11/bin/python\n"


def test_a_dry_run_prints_the_plan_and_changes_nothing(
    environ: dict[str, str],
    fake_python: FakePython,
    venvs: list[str],
    tmp_path: Path,
    capsys: Capture,
) -> None:
    """No download, no environment; uv only said where its Pythons are."""
    fake_python("one/python3.12", "3.12.1")
    assert main(["3.12", "3.13", "--dry-run", *venvs], environ) == 0
    assert capsys.readouterr().out.splitlines() == [
        "download  uv python install --no-bin 3.13",
        f"make      {venvs[1]}/3.12 from {tmp_path}/one/python3.12 (3.12.1)",
    ]
    assert not (tmp_path / "venvs").exists()
    assert [call["arguments"][-2:] for call in uv_log(Path(environ["UV"]))] == [["python", "dir"]]


def test_a_dry_run_says_why_nothing_would_be_downloaded(
    environ: dict[str, str], venvs: list[str], capsys: Capture
) -> None:
    """The user's setting is named."""
    main(["3.13", "--dry-run", *venvs], {**environ, "UV_OFFLINE": "1"})
    assert capsys.readouterr().out == "missing   3.13 (no download: UV_OFFLINE is set)\n"


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_json_tells_facts_and_what_was_missing(
    environ: dict[str, str],
    fake_python: FakePython,
    venvs: list[str],
    capsys: Capture,
    dry: list[str],
) -> None:
    """The facts have the keys of probe.py; where was looked and what was passed over is there."""
    known = fake_python("one/python3.12", "3.12.1")
    other = fake_python("one/python3.13", "3.13.0", error="no Python.h in /usr/include")
    assert main(["3.12", "3.13", "--json", *dry, *venvs], environ) == 0
    said = json.loads(capsys.readouterr().out)
    (facts,) = said["interpreters"]
    executable = known.executable if dry else f"{venvs[1]}/3.12/bin/python"
    assert facts == {**known.to_json(), "executable": str(executable)}
    assert said["missing"] == ["3.13"]
    assert said["passed_over"] == [
        {"executable": str(other.executable), "reason": "no Python.h in /usr/include"}
    ]
    assert f"pyenv: {environ['PYENV_ROOT']}/versions" in said["looked"]
    assert said.get("download") == (["3.13"] if dry else None)
