"""From requires-python to bare environments: the plan of the whole job, and its execution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools import console
from tools.interpreters import download
from tools.interpreters.facts import Interpreter
from tools.interpreters.places import Places
from tools.interpreters.search import Found, find_interpreters, is_path, require_interpreters
from tools.interpreters.uv import find_uv
from tools.interpreters.venvs import Venv, make_venvs, plan_venvs
from tools.interpreters.versions import check_admitted, supported_versions


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is there, and what would be done: downloads to try, environments to make."""

    versions: tuple[str, ...]
    requires_python: str
    places: Places
    found: Found
    refusal: str  # why missing versions are not downloaded, or ""
    directory: Path
    venvs: tuple[Venv, ...]

    @property
    def tried(self) -> str:
        """Why nothing was tried for what is missing, or ""."""
        return self.refusal if self.found.missing else ""

    @property
    def download(self) -> tuple[str, ...]:
        """The versions that one attempt is made for."""
        return () if self.refusal else self.found.missing


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """The interpreters to build for, and the search that led to them."""

    interpreters: tuple[Interpreter, ...]
    found: Found
    tried: str  # what was tried for the missing ones, and how it ended


def plan_interpreters(
    versions: Sequence[str] = (),
    *,
    requires_python: str,
    directory: Path,
    environ: Mapping[str, str],
) -> Plan:
    """Search for the versions, by default all that requires-python admits; change nothing.

    Raises: VersionRefusedError, RequirementError, InterpreterUnusableError, VenvRefusedError.
    """
    with console.step("find interpreters"):
        wanted = tuple(versions) or supported_versions(requires_python)
        check_admitted([version for version in wanted if not is_path(version)], requires_python)
        places = Places.from_environment(environ)
        found = find_interpreters(wanted, requires_python=requires_python, places=places)
    return Plan(
        versions=wanted,
        requires_python=requires_python,
        places=places,
        found=found,
        refusal=download.refusal(environ),
        directory=directory,
        venvs=plan_venvs(found, directory),
    )


def prepare_interpreters(plan: Plan, *, strict: bool, environ: Mapping[str, str]) -> Prepared:
    """Try once to download what is missing, then make the environments of what is there.

    Raises: InterpreterMissingError, VenvRefusedError, UvMissingError.
    """
    tried = _download(plan, environ) if plan.download else plan.tried
    found = plan.found
    if plan.download and (not tried or len(plan.download) > 1):  # some came before uv failed
        found = find_interpreters(
            plan.versions, requires_python=plan.requires_python, places=plan.places
        )
    require_interpreters(found, strict=strict, tried=tried)
    with console.step(f"bare environments in {plan.directory}"):
        interpreters = make_venvs(found, plan.directory, environ=environ)
    return Prepared(interpreters=interpreters, found=found, tried=tried)


def _download(plan: Plan, environ: Mapping[str, str]) -> str:
    """Make the one attempt and return how it failed, or ""."""
    tried = ""
    with console.step(f"uv {' '.join(download.command(plan.download))}"):
        tried = download.attempt(plan.download, uv=find_uv(environ), environ=environ)
        if tried:
            raise console.Skip(tried)
    return tried
