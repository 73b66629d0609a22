"""requires-python is read as packaging reads it, in every spelling."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tools.interpreters.versions import (
    RequirementError,
    VersionRefusedError,
    admits,
    check_admitted,
    read_requires_python,
    supported_versions,
)

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("requires_python", "versions"),
    [
        (">=3.10,<3.15", "3.10 3.11 3.12 3.13 3.14"),
        ("<3.13, >= 3.10", "3.10 3.11 3.12"),
        (">=3.10", "3.10 3.11 3.12 3.13 3.14"),  # open: ends with the newest that is known
        (">=3.10,!=3.11.*", "3.10 3.12 3.13 3.14"),
        (">=3.10,!=3.11.4,<3.13", "3.10 3.11 3.12"),  # one patch release less
        ("~=3.12", "3.12 3.13 3.14"),
        ("~=3.12.3", "3.12"),
        (">=3.10.4,<3.12.3", "3.10 3.11 3.12"),
        (">=3.10,<3.12.0", "3.10 3.11"),
        ("==3.12.*", "3.12"),
        ("==3.12", "3.12"),  # admits 3.12.0
        ("===3.12.1", "3.12"),
        (">3.12,<3.14", "3.12 3.13"),  # admits 3.12.1
        ("<=3.12,>=3.11", "3.11 3.12"),
        (">=3.13.0rc1", "3.13 3.14"),
        ("", "3.8 3.9 3.10 3.11 3.12 3.13 3.14"),
    ],
)
def test_every_spelling_of_requires_python_is_answered(requires_python: str, versions: str) -> None:
    """A version counts when one of its patch releases is admitted."""
    assert supported_versions(requires_python) == tuple(versions.split())


@pytest.mark.parametrize("requires_python", ["3.10+", ">=3.10 <3.15", "python3"])
def test_a_requirement_that_is_no_specifier_is_one_clear_error(requires_python: str) -> None:
    """The error names the text that was found and shows a right one."""
    with pytest.raises(RequirementError, match="expected version specifiers such as"):
        supported_versions(requires_python)


def test_a_requirement_that_admits_nothing_known_is_an_error() -> None:
    """An empty list would mean a wheel without extensions."""
    with pytest.raises(RequirementError, match="admits none"):
        supported_versions(">=3.99")


def test_exact_releases_and_prereleases_are_judged() -> None:
    """What a patch level excludes is not admitted, though its version is supported."""
    assert admits(">=3.12.3", "3.12.3")
    assert not admits(">=3.12.3", "3.12.1")
    assert admits(">=3.10,<3.15", "3.14.0rc1")


def test_every_refused_version_is_named_in_one_error() -> None:
    """The user can mend all of them together."""
    with pytest.raises(VersionRefusedError, match=r"VERSION 3\.9, 3\.12\.1, cp311: .*3\.10, 3\.11"):
        check_admitted(["3.9", "3.10", "3.12.1", "cp311"], ">=3.10,<3.12")


@pytest.mark.parametrize(
    "text",
    [
        '[project]\nrequires-python = ">=3.10,<3.15"\n',
        "[project]\nname='x'\nrequires-python='>=3.10,<3.15' # why\n",
        'project.requires-python = """>=3.10,<3.15"""\n',
        'project = { "requires-python" = ">=3.10,<3.15" }\n',
        '[tool.x]\nrequires-python = ">=3"\n[ project ]\n"requires-python"=">=3.10,<3.15"\n',
    ],
)
def test_pyproject_is_read_as_toml(tmp_path: Path, text: str) -> None:
    """Quotes, spaces, comments and dotted keys don't matter."""
    file = tmp_path / "pyproject.toml"
    file.write_text(text)
    assert read_requires_python(file) == ">=3.10,<3.15"


@pytest.mark.parametrize(
    "text", [None, "[project", "", "[project]", "[project]\nrequires-python=3"]
)
def test_a_pyproject_without_a_requirement_is_one_clear_error(
    tmp_path: Path, text: str | None
) -> None:
    """Missing file, broken TOML, missing key, wrong type: each names the file."""
    file = tmp_path / "pyproject.toml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(RequirementError, match=r"pyproject\.toml: expected"):
        read_requires_python(file)


def test_the_package_needs_packaging_only() -> None:
    """A build backend may import it where there is no rich and no tomli."""
    lacking = "import sys; sys.modules.update(rich=None, tomli=None, tomllib=None)"
    code = f"{lacking}; import tools.interpreters"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_our_own_pyproject_is_readable() -> None:
    """The default of the command line has versions."""
    assert supported_versions(read_requires_python(ROOT / "pyproject.toml"))
