"""The search chooses the newest release that can be compiled for, and says why not the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools.interpreters.fakes import FakePython, script
from tools.interpreters.places import Places
from tools.interpreters.search import (
    Found,
    InterpreterMissingError,
    InterpreterUnusableError,
    find_interpreters,
    require_interpreters,
)
from tools.interpreters.versions import VersionRefusedError


def reasons(found: Found) -> list[str]:
    """Return why executables were passed over."""
    return [each.reason for each in found.passed_over]


def test_the_highest_patch_release_wins_wherever_it_lies(
    places: Places, fake_python: FakePython
) -> None:
    """3.12.10 is newer than 3.12.9, and PATH may hold the newest."""
    fake_python("pyenv/versions/3.12.9/bin/python3", "3.12.9")
    newest = fake_python("two/python3", "3.12.10")
    found = find_interpreters(["3.12"], places=places)
    assert found.found == (newest,)
    assert found.missing == ()


def test_between_equals_the_more_trusted_place_wins(
    places: Places, fake_python: FakePython
) -> None:
    """pyenv before PATH."""
    fake_python("one/python3.12")
    trusted = fake_python("pyenv/versions/3.12.1/bin/python3")
    assert find_interpreters(["3.12"], places=places).found == (trusted,)


def test_answers_follow_the_order_of_the_question(places: Places, fake_python: FakePython) -> None:
    """And what is nowhere is named."""
    old = fake_python("one/python3.10", "3.10.13")
    new = fake_python("one/python3.13", "3.13.0")
    found = find_interpreters(["3.13", "3.14", "3.10", "3.11"], places=places)
    assert found.found == (new, old)
    assert found.missing == ("3.14", "3.11")
    assert found.looked == places.describe()


def test_a_version_that_is_asked_for_twice_is_missing_once(places: Places) -> None:
    """It would be installed twice otherwise."""
    assert find_interpreters(["3.14", "3.14"], places=places).missing == ("3.14",)


def test_every_candidate_is_run_once(
    places: Places, fake_python: FakePython, tmp_path: Path
) -> None:
    """One probe tells everything, however many versions are wanted."""
    fake_python("one/python3.10", "3.10.13")
    fake_python("one/python3.11", "3.11.7")
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "python3").symlink_to(tmp_path / "one" / "python3.11")
    find_interpreters(["3.10", "3.11", "3.12"], places=places)
    runs = (tmp_path / "runs").read_text().splitlines()
    assert sorted(runs) == [f"{tmp_path}/one/python3.10", f"{tmp_path}/one/python3.11"]


@pytest.mark.parametrize(
    ("version", "facts", "reason"),
    [
        ("3.13.1", {"error": "it is free-threaded, and"}, "it is free-threaded"),
        ("3.13.0rc2", {}, "a prerelease, 3.13.0rc2: not what 3.13 means"),
        ("3.13.1", {"error": "no Python.h in /usr/include/python3.13"}, "no Python.h in /usr/incl"),
        ("3.13.1", {"implementation": "pypy", "error": "it is pypy, not CPython"}, "it is pypy"),
    ],
)
def test_what_the_version_does_not_mean_is_passed_over_with_the_reason(
    places: Places,
    fake_python: FakePython,
    version: str,
    facts: dict[str, str | bool],
    reason: str,
) -> None:
    """The next best serves, an older patch release here."""
    fake_python("pyenv/versions/3.13-first/bin/python3", version, **facts)
    usual = fake_python("two/python3", "3.13.0")
    found = find_interpreters(["3.13"], places=places)
    assert found.found == (usual,)
    assert len(found.passed_over) == 1
    assert reasons(found)[0].startswith(reason)


def test_a_broken_shim_does_not_hide_an_interpreter(
    places: Places, fake_python: FakePython, tmp_path: Path
) -> None:
    """A shim outside of a folder of that name fails when it is asked, and is passed over."""
    script(tmp_path / "one" / "python3.12", "echo 'pyenv: python3.12: not found' >&2; exit 127")
    behind = fake_python("pyenv/versions/3.12.1/bin/python3")
    found = find_interpreters(["3.12"], places=places)
    assert found.found == (behind,)
    assert reasons(found) == ["cannot run: exit 127, pyenv: python3.12: not found"]


def test_other_versions_are_no_news(places: Places, fake_python: FakePython) -> None:
    """python3 of another version is neither found nor passed over."""
    fake_python("one/python3", "3.9.2", error="no Python.h in /usr/include/python3.9")
    found = find_interpreters(["3.12"], places=places)
    assert (found.found, found.passed_over) == ((), ())


def test_a_patch_level_that_requires_python_excludes_is_passed_over(
    places: Places, fake_python: FakePython
) -> None:
    """The newest that is admitted serves."""
    fake_python("one/python3.12", "3.12.4")
    right = fake_python("two/python3.12", "3.12.3")
    found = find_interpreters(["3.12"], places=places, requires_python=">=3.10,!=3.12.4")
    assert found.found == (right,)
    assert reasons(found) == ["requires-python '>=3.10,!=3.12.4' does not admit 3.12.4"]


def test_a_path_is_accepted_as_that_interpreter(
    places: Places, fake_python: FakePython, tmp_path: Path
) -> None:
    """Even a prerelease: it was asked for by name. Nothing else is searched."""
    fake_python("one/python3.13", "3.13.0")
    mine = fake_python("mine/python", "3.13.1rc1")
    assert find_interpreters([str(tmp_path / "mine/python")], places=places).found == (mine,)


def test_duplicates_by_soabi_are_dropped(
    places: Places, fake_python: FakePython, tmp_path: Path
) -> None:
    """The first that was asked for stays: one extension is built per SOABI."""
    mine = fake_python("mine/python", "3.12.0")
    fake_python("one/python3.12", "3.12.4")
    found = find_interpreters([str(tmp_path / "mine/python"), "3.12"], places=places)
    assert found.found == (mine,)
    assert found.missing == ()


def test_a_path_that_cannot_serve_is_an_error(
    places: Places, fake_python: FakePython, tmp_path: Path
) -> None:
    """No headers, not there, not admitted: each is named with what was found."""
    fake_python("mine/python", error="no Python.h in /usr/include")
    with pytest.raises(InterpreterUnusableError, match=r"mine/python: .* found: no Python\.h"):
        find_interpreters([f"{tmp_path}/mine/python"], places=places)
    with pytest.raises(InterpreterUnusableError, match="cannot run: No such file"):
        find_interpreters([f"{tmp_path}/absent"], places=places)
    fake_python("old/python", "3.9.18")
    with pytest.raises(VersionRefusedError, match=r"admits, found 3\.9\.18"):
        find_interpreters([f"{tmp_path}/old/python"], places=places, requires_python=">=3.10")


def test_strict_names_every_missing_version_and_how_to_get_it(
    places: Places, fake_python: FakePython
) -> None:
    """One error: versions, places, what was passed over, what was tried, the next command."""
    fake_python("one/python3.10", "3.10.13")
    fake_python("one/python3.12", error="no Python.h in /usr/include/python3.12")
    found = find_interpreters(["3.10", "3.12", "3.14"], places=places)
    with pytest.raises(InterpreterMissingError) as error:
        require_interpreters(found, strict=True, tried="uv python install 3.12 3.14: no route")
    said = str(error.value)
    assert said.startswith("CPython 3.12, 3.14: expected an interpreter with its headers")
    for place in places.describe():
        assert f"looked in {place}" in said
    assert "one/python3.12: no Python.h in /usr/include/python3.12" in said
    assert "tried uv python install 3.12 3.14: no route" in said
    assert "get them with `uv python install 3.12 3.14`" in said


def test_a_missing_version_is_no_error_by_default_while_another_is_there(
    places: Places, fake_python: FakePython
) -> None:
    """The abi3 module serves it, but something has to compile that."""
    fake_python("one/python3.10", "3.10.13")
    require_interpreters(find_interpreters(["3.10", "3.14"], places=places), strict=False, tried="")
    with pytest.raises(InterpreterMissingError):
        require_interpreters(find_interpreters(["3.14"], places=places), strict=False, tried="")
