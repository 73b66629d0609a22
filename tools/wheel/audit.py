"""The static audit: every check over a wheel or an installed package, one report of all faults."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from packaging.utils import canonicalize_name

from tools.wheel.archive import WheelUnreadableError, read_archive
from tools.wheel.binaries import Binary, check_binaries, read_binaries
from tools.wheel.contents import Contents
from tools.wheel.excerpt import read_excerpt
from tools.wheel.extensions import (
    Minor,
    RequiresPythonError,
    Service,
    check_names,
    expected_soabis,
    services,
    supported_minors,
)
from tools.wheel.findings import Finding, WheelAuditError
from tools.wheel.installed import find_installed
from tools.wheel.metadata import check_metadata, check_platform, read_metadata
from tools.wheel.policy import OURS, PUBLISHED, Policy, policy_of
from tools.wheel.record import check_record
from tools.wheel.sbom import check_sbom


@dataclass(frozen=True, kw_only=True)
class Report:
    """What was judged, which file serves which CPython, and every fault."""

    subject: str
    kind: str
    requires_python: str
    torch: str | None
    services: tuple[Service, ...]
    binaries: tuple[Binary, ...]
    findings: tuple[Finding, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {
            "subject": self.subject,
            "kind": self.kind,
            "requires_python": self.requires_python,
            "torch": self.torch,
            "clean": not self.findings,
            "services": [asdict(service) for service in self.services],
            "binaries": [
                {"file": b.file, "bytes": b.bytes, "sha256": b.sha256, "glibc": _glibc(b)}
                for b in self.binaries
            ],
            "findings": [asdict(finding) for finding in self.findings],
        }

    def lines(self) -> tuple[str, ...]:
        """Return the closing table: each CPython with its file, then each file with its digest."""
        serving = (f"CPython {s.python:<5} {_name(s.file)}" for s in self.services)
        files = (
            f"{b.sha256}  {b.bytes:>10} B  glibc {_glibc(b) or '?':<5} {b.name}"
            for b in self.binaries
        )
        bound = (f"torch {self.torch}",) if self.torch else ()
        return (*serving, *bound, *files)

    def raise_for_findings(self) -> None:
        """Raise WheelAuditError with all findings where there is any."""
        if self.findings:
            raise WheelAuditError(self.subject, self.findings)


def audit_wheel(
    wheel: Path, *, policy: Policy | None = None, requires_python: str | None = None
) -> Report:
    """Judge a wheel file by its own kind and requires-python, unless they are given."""
    if policy is None and canonicalize_name(wheel.name.split("-")[0]) == PUBLISHED.distribution:
        return _audit_large(wheel, requires_python)
    contents, findings = read_archive(wheel, policy or OURS)
    metadata = read_metadata(contents)
    policy = policy or policy_of(metadata.name, metadata.version)
    return _judge(
        contents, policy, findings, stated=metadata.requires_python, given=requires_python
    )


def audit_excerpt(file: IO[bytes], name: str, *, requires_python: str | None = None) -> Report:
    """Judge the DeepGEMM part of a wheel of any kind, reading nothing else of it."""
    contents, policy = read_excerpt(file, name)
    stated = read_metadata(contents).requires_python
    return _judge(contents, policy, (), stated=stated, given=requires_python)


def _audit_large(wheel: Path, requires_python: str | None) -> Report:
    """Judge a wheel on disk by its DeepGEMM part alone."""
    try:
        with wheel.open("rb") as file:
            return audit_excerpt(file, wheel.name, requires_python=requires_python)
    except OSError as error:
        raise WheelUnreadableError(f"{wheel}: expected a wheel, found {error.strerror}") from None


def audit_installed(
    *,
    checkout: Path,
    search_path: Sequence[str],
    requires_python: str | None = None,
) -> Report:
    """Judge the installed package; requires-python is its metadata's or the checkout's."""
    contents = find_installed(OURS, checkout=checkout, search_path=search_path)
    metadata = read_metadata(contents)
    policy, stated = policy_of(metadata.name, metadata.version), metadata.requires_python
    if not (stated or requires_python) and contents.kind == "checkout":
        stated = _declared(checkout)
    return _judge(contents, policy, (), stated=stated, given=requires_python)


def _judge(
    contents: Contents,
    policy: Policy,
    findings: tuple[Finding, ...],
    *,
    stated: str,
    given: str | None,
) -> Report:
    minors, unsupported = _minors(contents, stated=stated, given=given)
    binaries, unreadable = read_binaries(contents, policy)
    levels = {binary.file: binary.level for binary in binaries if binary.level is not None}
    metadata = read_metadata(contents)
    return Report(
        subject=contents.subject,
        kind=contents.kind,
        requires_python=stated if given is None else given,
        torch=metadata.torch if policy.torch else None,
        services=services(contents, policy, minors),
        binaries=binaries,
        findings=(
            *findings,
            *unsupported,
            *check_metadata(contents, policy),
            *check_record(contents),
            *(check_names(contents, policy, minors) if minors else ()),
            *unreadable,
            *check_binaries(binaries, policy, expected_soabis(policy, minors)),
            *check_platform(contents, policy, levels),
            *check_sbom(contents, policy),
        ),
    )


def _minors(
    contents: Contents, *, stated: str, given: str | None
) -> tuple[tuple[Minor, ...], tuple[Finding, ...]]:
    """Return what to serve; a wheel that states it badly has a fault more, a user is told so."""
    if given is not None:
        return supported_minors(given), ()
    try:
        return supported_minors(stated), ()
    except RequiresPythonError as error:
        expected = "a Requires-Python to judge the extensions by"
        return (), (Finding(file=contents.subject, expected=expected, found=str(error)),)


def _declared(checkout: Path) -> str:
    """Return the requires-python of a checkout that was built but not installed."""
    try:
        tomllib = importlib.import_module("tomllib")  # CPython 3.11 and later
        project = tomllib.loads((checkout / "pyproject.toml").read_text(encoding="utf-8"))
        return str(project["project"]["requires-python"])
    except (ImportError, OSError, KeyError, ValueError) as error:
        raise RequiresPythonError(
            f"{checkout}: expected installed metadata or a pyproject.toml with requires-python, "
            f"found {error!r}; name it with --requires-python"
        ) from None


def _glibc(binary: Binary) -> str | None:
    return None if binary.level is None else f"2.{binary.level}"


def _name(file: str | None) -> str:
    return "-" if file is None else file.rpartition("/")[2]
