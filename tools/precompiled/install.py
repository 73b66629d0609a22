"""Plan, install and remove, for one checkout.

Order of an install: lock, recover, find the wheel, plan, fetch, compare, plan again, write, report.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from packaging.tags import Tag, sys_tags

from tools.precompiled.apply import apply, recover
from tools.precompiled.archive import Directory
from tools.precompiled.checkout import Checkout
from tools.precompiled.compatibility import Comparison, Host, Library, torch_requirement
from tools.precompiled.disk import Disk
from tools.precompiled.errors import NotWrittenError, NoWheelError
from tools.precompiled.fetch import Fetcher
from tools.precompiled.index import find_on_index
from tools.precompiled.index_settings import index_urls
from tools.precompiled.manifest import STATE, manifest_path, read_manifest
from tools.precompiled.nightly import find_nightly
from tools.precompiled.plan import SHARED_OBJECT, Plan, Planner
from tools.precompiled.source import Location, Source, check_tags, locate_wheel
from tools.precompiled.store import Store
from tools.precompiled.transition import Facts, next_change
from tools.precompiled.transport import Transport, redacted


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to install, and how."""

    source: Source
    patterns: tuple[str, ...] = ()
    replace: bool = False
    any_torch: bool = False


@dataclass(frozen=True, kw_only=True)
class Report:
    """What an install or a removal did."""

    wheel: str
    files: tuple[str, ...] = ()
    written: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    fetched: int = 0
    seconds: float = 0.0
    notes: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Return the report in words, from what was really done."""
        there = len(self.files) - len(self.written)
        counts = f"{len(self.written)} written, {there} already there, {len(self.removed)} removed"
        return [
            f"{self.wheel}: {counts}; {self.fetched} bytes fetched, {self.seconds:.2f} s",
            *(f"  note: {note}" for note in self.notes),
            *(f"  left, you changed it: {path}" for path in self.left),
        ]


@dataclass(frozen=True, kw_only=True)
class Installer:
    """All that the commands need of the world; a test passes its own."""

    root: Path
    store: Store
    transport: Transport
    read_library: Callable[[Path], Library]
    host: Host = field(default_factory=Host.here)
    tags: Sequence[Tag] = field(default_factory=lambda: tuple(sys_tags()))
    disk: Disk = field(default_factory=Disk)
    on_total: Callable[[int], None] = lambda total: None

    def plan(self, request: Request) -> tuple[Location, Plan]:
        """Return what an install would do; fetch the wheel's directory at most."""
        location = self._locate(request.source)
        return location, self._plan(request, self._fetcher.directory(location))

    def install(self, request: Request) -> Report:
        """Bring the wheel's binaries into the checkout. Raises: any of tools.precompiled.errors."""
        start = time.monotonic()
        with exclusive(self.root, self.disk) as recovered:
            location = self._locate(request.source)
            directory = self._fetcher.directory(location)
            wanted = "" if request.any_torch else torch_requirement(directory.metadata)
            planned = self._wanting(request, location, directory)
            self._compare(location, wanted, planned)
            # Order: a download can take minutes; what the checkout says now is what counts.
            plan = self._wanting(request, location, directory)
            if plan.to_write != planned.to_write:
                self._compare(location, wanted, plan)
            self._write(location, wanted, plan)
        unknown = f"built for {wanted}; no torch is here to compare with: `verify` does it later"
        notes = (recovered, location.said, unknown if wanted and not self.host.torch else "")
        return Report(
            wheel=location.filename,
            files=plan.in_place,
            written=tuple(decision.member.path for decision in plan.to_write),
            removed=plan.stale,
            left=plan.left,
            fetched=self.transport.fetched,
            seconds=time.monotonic() - start,
            notes=tuple(note for note in notes if note),
        )

    def remove(self) -> Report | None:
        """Restore the state before the first install; None where there was nothing to do."""
        start = time.monotonic()
        with exclusive(self.root, self.disk) as recovered:
            manifest = read_manifest(self.root)
            if manifest is None:
                self._forget_state()
                return Report(wheel="no wheel", notes=(recovered,)) if recovered else None
            plan = Planner(checkout=Checkout.at(self.root), manifest=manifest).plan((), "")
            change = next_change(self.root, manifest, plan, self.store.content, Facts())
            if change is not None:
                apply(self.root, change, self.disk)
            self._forget_state()
        return Report(
            wheel=manifest.wheel,
            removed=plan.stale,
            left=plan.left,
            seconds=time.monotonic() - start,
            notes=(recovered,) if recovered else (),
        )

    @property
    def _fetcher(self) -> Fetcher:
        return Fetcher(store=self.store, transport=self.transport)

    def _locate(self, source: Source) -> Location:
        if source.kind == "requirement":
            indexes = index_urls()
            return find_on_index(source.value, indexes, self.tags, self.transport, self.store)
        if source.kind == "commit":
            checkout = Checkout.at(self.root)
            return find_nightly(source, checkout, self.tags, self.transport, self.store)
        location = locate_wheel(source.value)
        check_tags(location.filename, self.tags)
        return location

    def _plan(self, request: Request, directory: Directory) -> Plan:
        return Planner(
            checkout=Checkout.at(self.root),
            manifest=read_manifest(self.root),
            patterns=request.patterns,
            replace=request.replace,
        ).plan(directory.members, directory.filename)

    def _wanting(self, request: Request, location: Location, directory: Directory) -> Plan:
        """Return a plan without conflicts that wants something."""
        plan = self._plan(request, directory)
        plan.check()
        if not plan.in_place:
            selected = f" and {', '.join(request.patterns)} selects" if request.patterns else ""
            raise NoWheelError(
                f"{location.filename}: holds nothing that this checkout wants{selected}; "
                "`plan --json` says why for each member"
            )
        return plan

    def _compare(self, location: Location, wanted: str, plan: Plan) -> None:
        """Fetch what is to be written and check that it all loads, unless that was done before."""
        manifest = read_manifest(self.root)
        known = manifest and (manifest.checked_against, manifest.torch_requirement)
        if not plan.to_write and known == (str(self.host), wanted):
            return
        self._fetch(location, plan)
        binaries = {
            d.member.path: self.root / d.member.path
            if d.present
            else self.store.content(d.member.digest)
            for d in plan.of("wanted")
            if SHARED_OBJECT.fullmatch(d.member.path)
        }
        Comparison(
            binaries=binaries,
            host=self.host,
            read=self.read_library,
            torch_requirement=wanted,
        ).check()

    def _fetch(self, location: Location, plan: Plan) -> None:
        members = [decision.member for decision in plan.to_write]
        self._fetcher.members(location, members, self.on_total)

    def _write(self, location: Location, wanted: str, plan: Plan) -> None:
        facts = Facts(
            source=redacted(str(location.place)),
            wheel=location.filename,
            checked_against=str(self.host),
            torch_requirement=wanted,
        )
        change = next_change(self.root, read_manifest(self.root), plan, self.store.content, facts)
        if change is not None:
            apply(self.root, change, self.disk)

    def _forget_state(self) -> None:
        """Delete our records, unless something of the user's is still kept among them."""
        manifest_path(self.root).unlink(missing_ok=True)
        saved = self.root / STATE / "saved"
        if not saved.is_dir() or not any(path.is_file() for path in saved.rglob("*")):
            shutil.rmtree(self.root / STATE, ignore_errors=True)


@contextmanager
def exclusive(root: Path, disk: Disk) -> Iterator[str]:
    """Hold the checkout, waiting for another install; give what was recovered of a killed one."""
    handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield _recovered(root, disk)
    finally:
        os.close(handle)


def _recovered(root: Path, disk: Disk) -> str:
    try:
        return recover(root, disk)
    except OSError as error:
        raise NotWrittenError(
            f"{error.filename or root}: {error.strerror}; an install that was interrupted is not "
            "undone yet; make room or make the folder writable, then run the command again"
        ) from None
