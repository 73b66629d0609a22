"""Judge the DeepGEMM part of a wheel on a server, by ranges: a few reads of what may be gigabytes.

Composes tools.precompiled, which finds wheels and reads ranges, with the audit of tools.wheel.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, cast
from urllib.parse import urlsplit

from packaging.tags import sys_tags

from tools.errors import ToolError
from tools.precompiled.errors import NoWheelError
from tools.precompiled.fetch import RemoteFile
from tools.precompiled.index import find_on_index
from tools.precompiled.index_settings import index_urls
from tools.precompiled.source import Location, Source, locate_wheel
from tools.precompiled.store import Store
from tools.precompiled.transport import NoRanges, NotThere, Transport, redacted
from tools.wheel.audit import Report, audit_excerpt, audit_wheel

# What is read ahead: an extension is some megabytes and lies in one piece.
READ_AHEAD = 1 << 20


class NoRangesError(ToolError):
    """The server gives whole files only; fetch the wheel and name its path."""

    exit_code: ClassVar[int] = 29


@dataclass(frozen=True, kw_only=True)
class Judged:
    """The report on a wheel, where it lies, and what reading it cost. Units: bytes."""

    report: Report
    source: str
    fetched: int
    size: int

    def line(self) -> str:
        """Say what was read of how much."""
        if not self.fetched:
            return self.source
        return f"{self.source}: {min(self.fetched, self.size)} of {self.size} bytes read"


def is_elsewhere(named: str) -> bool:
    """Whether a wheel is named by URL or requirement, not by a path."""
    return not named.endswith(".whl") or urlsplit(named).scheme in {"http", "https", "file"}


def judge_elsewhere(named: str, *, requires_python: str | None = None) -> Judged:
    """Find a wheel by URL or requirement and judge it.

    Raises: NoSourceError, NoWheelError, UnreachableError, NoRangesError, WheelUnreadableError.
    """
    transport = Transport()
    location = _locate(named, transport)
    if isinstance(location.place, Path):
        report = audit_wheel(location.place, requires_python=requires_python)
        return Judged(report=report, source=str(location.place), fetched=0, size=0)
    try:
        remote = RemoteFile(transport, location.place)
        file = io.BufferedReader(remote, READ_AHEAD)
        report = audit_excerpt(
            cast(io.BytesIO, file), location.filename, requires_python=requires_python
        )
    except NoRanges as answer:
        raise NoRangesError(
            f"{redacted(location.place)}: expected a server that gives byte ranges, found none "
            f"({answer}); download the wheel and name its path"
        ) from None
    except NotThere:
        raise NoWheelError(f"{redacted(location.place)}: expected a wheel, found none") from None
    return Judged(
        report=report,
        source=redacted(location.place),
        fetched=transport.fetched,
        size=remote.seek(0, io.SEEK_END),
    )


def _locate(named: str, transport: Transport) -> Location:
    source = Source.parse(named, {})
    if source.kind == "requirement":
        tags = tuple(sys_tags())
        return find_on_index(source.value, index_urls(), tags, transport, Store.from_environment())
    return locate_wheel(source.value)
