"""Candidates come from pyenv, manylinux, uv and PATH, in that order, and never from a shim."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from tests.tools.interpreters.fakes import FakePython, script, uv_log
from tools.interpreters.places import Places


def listed(places: Places, *versions: str) -> list[Path]:
    """List the candidates relative to the temporary folder."""
    root = places.manylinux.parent
    return [path.relative_to(root) for path in places.candidates(versions)]


def test_places_are_listed_in_the_order_of_trust(places: Places, fake_python: FakePython) -> None:
    """Each kind of place is looked at."""
    for path in (
        "two/python3",
        "one/python3.12",
        "uvbin/managed/cpython-3.12.3-linux-x86_64-gnu/bin/python3",
        "manylinux/cp312-cp312/bin/python",
        "pyenv/versions/3.12.1/bin/python3",
    ):
        fake_python(path)
    assert list(map(str, listed(places, "3.12"))) == [
        "pyenv/versions/3.12.1/bin/python3",
        "manylinux/cp312-cp312/bin/python",
        "uvbin/managed/cpython-3.12.3-linux-x86_64-gnu/bin/python3",
        "one/python3.12",
        "two/python3",
    ]


def test_folders_named_after_another_version_are_not_searched(
    places: Places, fake_python: FakePython
) -> None:
    """A name without a version may hold any."""
    for folder in ("2.7.18", "3.1.5", "3.11.7", "3.12.1", "3.13.0t", "miniforge3", "work"):
        fake_python(f"pyenv/versions/{folder}/bin/python3")
    for folder in ("cp311-cp311", "cp312-cp312", "cp313-cp313t"):
        fake_python(f"manylinux/{folder}/bin/python")
    folders = {path.parts[-3] for path in listed(places, "3.12", "3.13")}
    assert folders == {"3.12.1", "3.13.0t", "miniforge3", "work", "cp312-cp312", "cp313-cp313t"}


def test_one_file_under_several_names_is_one_candidate(
    places: Places, fake_python: FakePython, tmp_path: Path
) -> None:
    """Links are followed to know, but the first name is kept."""
    fake_python("pyenv/versions/3.12.1/bin/python3.12")
    (tmp_path / "pyenv/versions/3.12.1/bin/python3").symlink_to("python3.12")
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "python3").symlink_to(tmp_path / "pyenv/versions/3.12.1/bin/python3.12")
    (tmp_path / "pyenv/versions/3.12").symlink_to("3.12.1")
    assert list(map(str, listed(places, "3.12"))) == ["pyenv/versions/3.12/bin/python3"]


def test_files_that_cannot_be_executed_are_no_candidates(places: Places, tmp_path: Path) -> None:
    """A folder, a dead link and a plain file are passed by."""
    (tmp_path / "one" / "python3").mkdir(parents=True)
    (tmp_path / "one" / "python3.12").symlink_to("nowhere")
    (tmp_path / "one" / "python").touch()
    assert not places.candidates(["3.12"])


def test_the_environment_names_the_places(environ: dict[str, str], tmp_path: Path) -> None:
    """PYENV_ROOT, uv's own answer, and PATH in its order without shims and relative folders."""
    environ["PATH"] = f"{tmp_path}/one:/p/shims:/p/plugins/x/shims/:.::bin:{tmp_path}/two"
    assert Places.from_environment(environ) == Places(
        pyenv=tmp_path / "pyenv" / "versions",
        manylinux=tmp_path / "manylinux",
        uv=tmp_path / "uvbin" / "managed",
        path=(tmp_path / "one", tmp_path / "two"),
    )


def test_pyenv_is_in_the_home_folder_by_default(environ: dict[str, str], tmp_path: Path) -> None:
    """PYENV_ROOT is rarely exported."""
    del environ["PYENV_ROOT"]
    assert Places.from_environment(environ).pyenv == tmp_path / "home" / ".pyenv" / "versions"


def test_uv_is_not_asked_where_the_user_has_said_it(environ: dict[str, str], fake_uv: Path) -> None:
    """UV_PYTHON_INSTALL_DIR is what uv itself would answer."""
    environ["UV_PYTHON_INSTALL_DIR"] = "/pythons"
    assert Places.from_environment(environ).uv == Path("/pythons")
    assert uv_log(fake_uv) == []


def test_a_uv_that_fails_names_no_place(environ: dict[str, str], tmp_path: Path) -> None:
    """The search goes on without it."""
    environ["UV"] = str(script(tmp_path / "bad" / "uv", "exit 1"))
    assert Places.from_environment(environ).uv is None


def test_places_of_path_that_were_listed_already_are_left_out(
    places: Places, fake_python: FakePython, tmp_path: Path
) -> None:
    """A pyenv folder on PATH brings no old version in by the back door."""
    fake_python("pyenv/versions/3.6.15/bin/python3", "3.6.15")
    with_pyenv = dataclasses.replace(places, path=(tmp_path / "pyenv/versions/3.6.15/bin",))
    assert not with_pyenv.candidates(["3.12"])


def test_every_place_is_named_for_errors(places: Places, tmp_path: Path) -> None:
    """Folders of PATH that don't exist are left out."""
    (tmp_path / "two").mkdir()
    assert places.describe() == (
        f"pyenv: {tmp_path}/pyenv/versions",
        f"manylinux: {tmp_path}/manylinux",
        f"uv: {tmp_path}/uvbin/managed",
        f"PATH without shims: {tmp_path}/two",
    )
