"""Which CPythons requires-python admits. Knows packaging's specifiers, and no interpreter."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from tools.errors import ToolError
from tools.requires_python import NEWEST_MINOR, admitted_minors

OLDEST_MINOR = 8  # what probe.py runs on


class RequirementError(ToolError):
    """Mend requires-python: it is missing, no specifier, or admits no known CPython."""

    exit_code: ClassVar[int] = 10


class VersionRefusedError(ToolError):
    """Ask for a version that requires-python admits, or change requires-python."""

    exit_code: ClassVar[int] = 11


def read_requires_python(pyproject: Path) -> str:
    """Return `requires-python` of a pyproject.toml.

    Raises: RequirementError.
    """
    try:
        project = _read_toml(pyproject).get("project", {})
    except (OSError, ValueError, ImportError) as problem:
        raise RequirementError(
            f"{pyproject}: expected a TOML file with project.requires-python, found: {problem}"
        ) from problem
    found = project.get("requires-python") if isinstance(project, dict) else None
    if not isinstance(found, str):
        raise RequirementError(
            f"{pyproject}: expected project.requires-python to be a string, found {found!r}; "
            'write for example requires-python = ">=3.10,<3.15"'
        )
    return found


def supported_versions(requires_python: str) -> tuple[str, ...]:
    """List the CPythons, oldest first, of which requires-python admits at least one patch release.

    Raises: RequirementError.
    """
    versions = tuple(
        f"3.{minor}" for minor in admitted_minors(_parse(requires_python)) if minor >= OLDEST_MINOR
    )
    if not versions:
        raise RequirementError(
            f"requires-python {requires_python!r}: expected it to admit one of CPython "
            f"3.{OLDEST_MINOR} to 3.{NEWEST_MINOR}, found that it admits none"
        )
    return versions


def admits(requires_python: str, version: str) -> bool:
    """Whether requires-python admits exactly this release, prereleases too."""
    return _parse(requires_python).contains(version, prereleases=True)


def check_admitted(versions: Iterable[str], requires_python: str) -> None:
    """Refuse the versions that requires-python does not admit, all in one error.

    Raises: VersionRefusedError, RequirementError.
    """
    supported = supported_versions(requires_python)
    refused = [version for version in versions if version not in supported]
    if refused:
        raise VersionRefusedError(
            f"VERSION {', '.join(refused)}: expected some of {', '.join(supported)}, which "
            f"requires-python {requires_python!r} admits, or the path of an interpreter"
        )


def _read_toml(file: Path) -> dict[str, Any]:
    # In here, so that whoever has no business with pyproject.toml needs no tomli on CPython 3.10.
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    content: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    return content


def _parse(requires_python: str) -> SpecifierSet:
    try:
        return SpecifierSet(requires_python)
    except InvalidSpecifier as problem:
        raise RequirementError(
            f"requires-python {requires_python!r}: expected version specifiers such as "
            f"'>=3.10,<3.15', found: {problem}"
        ) from problem
