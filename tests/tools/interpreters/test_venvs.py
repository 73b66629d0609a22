"""Bare environments are made whole, kept while they match, and replace nothing else."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.tools.interpreters.fakes import FakePython, uv_log
from tools.interpreters.facts import Interpreter, ask
from tools.interpreters.search import Found, find_interpreters
from tools.interpreters.uv import UvMissingError, find_uv
from tools.interpreters.venvs import VenvRefusedError, make_venvs, plan_venvs


def found(*interpreters: Interpreter) -> Found:
    """Return a search that found these."""
    return Found(found=interpreters, missing=(), looked=(), passed_over=())


def actions(interpreter: Interpreter, directory: Path) -> str:
    """Return what would happen to the environment of one interpreter."""
    (venv,) = plan_venvs(found(interpreter), directory)
    return venv.action


def names(directory: Path) -> list[str]:
    """Return what a folder holds, hidden files too."""
    return sorted(path.name for path in directory.iterdir())


@pytest.fixture
def made(environ: dict[str, str], fake_python: FakePython, tmp_path: Path) -> Interpreter:
    """Make the environment of a 3.12.1 below `venvs`, and return its base."""
    base = fake_python("one/python3.12", "3.12.1")
    make_venvs(found(base), tmp_path / "venvs", environ=environ)
    return base


def test_one_environment_per_interpreter_in_the_same_order(
    environ: dict[str, str], fake_python: FakePython, tmp_path: Path
) -> None:
    """Named by version; their facts are the base's, with their own executable."""
    new, old = fake_python("one/a", "3.13.0"), fake_python("one/b", "3.10.13")
    made = make_venvs(found(new, old), tmp_path / "venvs", environ=environ)
    assert [each.executable for each in made] == [
        tmp_path / "venvs" / "3.13" / "bin" / "python",
        tmp_path / "venvs" / "3.10" / "bin" / "python",
    ]
    assert [each.soabi for each in made] == [new.soabi, old.soabi]
    assert all(each.executable.is_file() for each in made)
    assert names(tmp_path / "venvs") == ["3.10", "3.13"]


def test_uv_is_told_the_absolute_path_and_to_add_nothing(made: Interpreter, fake_uv: Path) -> None:
    """No version number that uv would search or download."""
    (call,) = uv_log(fake_uv)
    arguments = call["arguments"]
    assert arguments[arguments.index("--python") + 1] == str(made.executable)
    assert {"--no-project", "--no-python-downloads"} <= set(arguments)
    assert "--seed" not in arguments


def test_a_relative_folder_gives_absolute_paths(
    environ: dict[str, str],
    fake_python: FakePython,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is exported has to serve from anywhere."""
    monkeypatch.chdir(tmp_path)
    (made,) = make_venvs(found(fake_python("one/a")), Path("venvs"), environ=environ)
    assert made.executable == tmp_path / "venvs" / "3.12" / "bin" / "python"


def test_an_environment_that_matches_is_kept(
    made: Interpreter, environ: dict[str, str], tmp_path: Path, fake_uv: Path
) -> None:
    """uv isn't started again, and isn't even needed."""
    (tmp_path / "venvs" / "3.12" / "mark").touch()
    make_venvs(found(made), tmp_path / "venvs", environ={})
    assert (tmp_path / "venvs" / "3.12" / "mark").exists()
    assert len(uv_log(fake_uv)) == 1


def test_another_base_makes_it_anew(
    made: Interpreter, environ: dict[str, str], fake_python: FakePython, tmp_path: Path
) -> None:
    """The same version from another place: headers and library may differ."""
    other = fake_python("two/python3.12", "3.12.1")
    (tmp_path / "venvs" / "3.12" / "mark").touch()
    assert actions(other, tmp_path / "venvs") == "remake"
    (now,) = make_venvs(found(other), tmp_path / "venvs", environ=environ)
    assert now.executable.resolve() == other.executable
    assert not (tmp_path / "venvs" / "3.12" / "mark").exists()
    assert names(tmp_path / "venvs") == ["3.12"]


def test_an_upgrade_in_place_makes_it_anew(
    made: Interpreter, fake_python: FakePython, tmp_path: Path
) -> None:
    """The path is the same, the release isn't."""
    assert actions(fake_python("one/python3.12", "3.12.2"), tmp_path / "venvs") == "remake"


def test_installed_packages_make_it_anew(made: Interpreter, tmp_path: Path) -> None:
    """Bare is part of the promise: an import test must not find yesterday's wheel."""
    packages = tmp_path / "venvs" / "3.12" / "lib" / "python3.12" / "site-packages"
    (packages / "vllm_deepgemm-1.dist-info").mkdir(parents=True)
    assert actions(made, tmp_path / "venvs") == "remake"


def test_a_lost_base_makes_it_anew(made: Interpreter, tmp_path: Path) -> None:
    """A dead link is no interpreter."""
    (tmp_path / "venvs" / "3.12" / "bin" / "python").unlink()
    assert actions(made, tmp_path / "venvs") == "remake"


def test_a_folder_that_is_no_environment_is_never_deleted(
    environ: dict[str, str], fake_python: FakePython, tmp_path: Path
) -> None:
    """It may be anything; the user decides."""
    (tmp_path / "venvs" / "3.12").mkdir(parents=True)
    (tmp_path / "venvs" / "3.12" / "thesis.tex").touch()
    with pytest.raises(VenvRefusedError, match=r"3\.12: expected a virtual environment or nothing"):
        make_venvs(found(fake_python("one/a")), tmp_path / "venvs", environ=environ)
    assert (tmp_path / "venvs" / "3.12" / "thesis.tex").exists()


def test_a_folder_with_a_colon_is_refused(fake_python: FakePython, tmp_path: Path) -> None:
    """The joined paths could not be told apart."""
    with pytest.raises(VenvRefusedError, match="without ':'"):
        plan_venvs(found(fake_python("one/a")), tmp_path / "a:b")


def test_a_failure_leaves_no_half_environment_and_the_old_one_alone(
    made: Interpreter, environ: dict[str, str], fake_python: FakePython, tmp_path: Path
) -> None:
    """What uv complains about is told; the others are made."""
    environ["FAKE_FULL_DISK"] = "3.12"
    fine, other = fake_python("two/b", "3.13.0"), fake_python("two/a", "3.12.1")
    with pytest.raises(VenvRefusedError, match=r"venvs/3\.12: .* error: disk full"):
        make_venvs(found(other, fine), tmp_path / "venvs", environ=environ)
    assert names(tmp_path / "venvs") == ["3.12", "3.13"]
    assert (tmp_path / "venvs/3.12/bin/python").resolve() == made.executable


def test_a_folder_that_cannot_be_written_is_told(
    environ: dict[str, str], fake_python: FakePython, tmp_path: Path
) -> None:
    """A file in its way here; a read-only file system is the same."""
    (tmp_path / "venvs").touch()
    with pytest.raises(VenvRefusedError, match=r"venvs/3\.12: expected .* File exists"):
        make_venvs(found(fake_python("one/a")), tmp_path / "venvs", environ=environ)


def test_the_base_is_used_where_a_virtual_environment_was_found(
    environ: dict[str, str], fake_python: FakePython, fake_uv: Path, tmp_path: Path
) -> None:
    """An environment on PATH may be gone tomorrow; its base stays."""
    base = fake_python("two/python3.12")
    venv = fake_python("one/python", base_executable=str(base.executable))
    make_venvs(found(venv), tmp_path / "venvs", environ=environ)
    assert (tmp_path / "venvs/3.12/bin/python").readlink() == base.executable


def test_a_different_abi_of_one_version_has_its_own_folder(
    environ: dict[str, str], fake_python: FakePython, tmp_path: Path
) -> None:
    """3.13 and its free-threaded build can stand side by side."""
    usual = fake_python("one/a", "3.13.0")
    threaded = fake_python("one/b", "3.13.0", soabi="cpython-313t-x86_64-linux-gnu")
    make_venvs(found(usual, threaded), tmp_path / "venvs", environ=environ)
    assert names(tmp_path / "venvs") == ["3.13", "3.13t"]


@pytest.fixture
def real_environ() -> dict[str, str]:
    """Describe this machine, offline; skips where there is no uv."""
    environ = {**os.environ, "UV_OFFLINE": "1"}
    try:
        find_uv(environ)
    except UvMissingError:
        pytest.skip("uv is not installed here")
    return environ


def test_a_real_environment_is_bare_and_is_kept(
    real_environ: dict[str, str], tmp_path: Path
) -> None:
    """Made by the uv of this machine from the Python that runs this test."""
    base = ask(Path(sys.executable))
    (made,) = make_venvs(found(base), tmp_path / "venvs", environ=real_environ)
    answer = ask(made.executable)
    assert (answer.executable, answer.soabi) == (made.executable, base.soabi)
    packages = made.executable.parents[1] / "lib" / f"python{base.series}" / "site-packages"
    assert not list(packages.glob("*.dist-info"))
    assert actions(base, tmp_path / "venvs") == "keep"
    shutil.rmtree(packages)
    (packages / "x.dist-info").mkdir(parents=True)
    assert actions(base, tmp_path / "venvs") == "remake"


@pytest.mark.parametrize("version", ["3.10", "3.11", "3.12", "3.13"])
def test_every_supported_cpython_here_gets_a_working_environment(
    real_environ: dict[str, str], version: str, tmp_path: Path
) -> None:
    """Its headers are found through the link, and its SOABI names its version."""
    search = find_interpreters([version])
    if search.missing:
        pytest.skip(f"no CPython {version} with headers on this machine")
    (made,) = make_venvs(search, tmp_path / "venvs", environ=real_environ)
    answer = ask(made.executable)
    assert answer.error == ""
    assert answer.soabi.startswith(f"cpython-{version.replace('.', '')}-")
    assert answer.include is not None
    assert (answer.include / "Python.h").is_file()
