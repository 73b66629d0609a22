"""Bring the wanted members of a wheel into the store, by as few and as small reads as there are.

A wheel is a local file or a URL. Of a URL the directory is read first, then the members in runs, in
parallel. A server without ranges is asked for the whole wheel once.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from tools.precompiled.archive import Directory, Member, read_directory, unpack
from tools.precompiled.errors import BadWheelError, NoWheelError
from tools.precompiled.source import Location
from tools.precompiled.store import Store, sha256_of
from tools.precompiled.transport import NoRanges, NotThere, Transport, redacted

TAIL = 1 << 16
# Reads this close before what is known extend it; others stand alone.
REACH = 1 << 22
# Two wanted members that lie closer than this are read in one request.
GAP = 1 << 15
RUN_LIMIT = 1 << 24
WORKERS = 8


@dataclass(frozen=True, kw_only=True)
class Run:
    """Members that lie close together and are read in one request."""

    members: tuple[Member, ...]

    @property
    def start(self) -> int:
        return self.members[0].start

    @property
    def end(self) -> int:
        return self.members[-1].end


@dataclass(frozen=True, kw_only=True)
class Version:
    """What names the bytes of a wheel; a server that says nothing of them is asked each time."""

    name: str
    known: bool


@dataclass(frozen=True, kw_only=True)
class Fetcher:
    """Read wheels through one transport into one store."""

    store: Store
    transport: Transport

    def directory(self, location: Location) -> Directory:
        """Return what the wheel says of itself, from the store where its bytes cannot have changed.

        Raises: NoWheelError, BadWheelError, UnreachableError.
        """
        if isinstance(location.place, Path):
            return _read_local(location.place, location.filename)
        version = self._version(location)
        if version.known and (note := self.store.recall("wheels", version.name)) is not None:
            return _from_note(note)
        try:
            remote = RemoteFile(self.transport, location.place)
            directory = read_directory(cast(BinaryIO, remote), location.filename)
        except NoRanges:
            directory = _read_local(self._whole(location, version.name), location.filename)
        except NotThere:
            raise _no_wheel(location.place) from None
        if version.known:
            self.store.keep("wheels", version.name, asdict(directory))
        return directory

    def members(
        self,
        location: Location,
        wanted: Iterable[Member],
        on_total: Callable[[int], None] = lambda total: None,
    ) -> None:
        """Bring each wanted member into the store; those that are there cost nothing.

        Raises: BadWheelError for a member whose bytes are not those that RECORD promises,
        UnreachableError.
        """
        absent = [member for member in wanted if not self.store.holds_sound(member.digest)]
        if not absent:
            return
        if isinstance(location.place, Path):
            self._unpack_local(location.place, absent, location.filename)
            return
        version = self._version(location).name
        if not self.store.whole(version).is_file():
            on_total(sum(run.end - run.start for run in runs(absent)))
            try:
                self._by_ranges(location.place, version, absent, location.filename)
            except NoRanges:
                pass
            else:
                return
        self._unpack_local(self._whole(location, version), absent, location.filename)

    def _version(self, location: Location) -> Version:
        """Return what names the bytes behind a URL: a digest, or what the server says now."""
        assert isinstance(location.place, str)
        if location.digest:
            return Version(name=f"sha256={location.digest}", known=True)
        url = redacted(location.place)
        if self.transport.offline:
            note = self.store.recall("resolved", f"version {url}")
            return Version(name=str(note["version"]) if note else url, known=True)
        try:
            mark = self.transport.validator(location.place)
        except NotThere:
            raise _no_wheel(url) from None
        if mark:
            self.store.keep("resolved", f"version {url}", {"version": f"{url} {mark}"})
        return Version(name=f"{url} {mark or self.transport.run}", known=bool(mark))

    def _whole(self, location: Location, version: str) -> Path:
        """Return the whole wheel in the store; the one download that a server without ranges
        costs.
        """
        assert isinstance(location.place, str)
        target = self.store.whole(version)
        with self.store.piece(f"whole {version}"):
            if not target.is_file():
                with self.store.publishing(target) as file:
                    self.transport.whole_into(location.place, file)
                    _check_whole(file, location)
        return target

    def _by_ranges(self, url: str, version: str, absent: list[Member], name: str) -> None:
        pieces = runs(absent)
        with ThreadPoolExecutor(min(WORKERS, len(pieces))) as pool:
            futures = [pool.submit(self._run, url, version, run, name) for run in pieces]
            try:
                for future in futures:
                    future.result()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def _run(self, url: str, version: str, run: Run, name: str) -> None:
        with self.store.piece(f"{version} {run.start}-{run.end}") as piece:
            if all(self.store.holds(member.digest) for member in run.members):
                return
            resumed = piece.seek(0, io.SEEK_END) > 0
            self.transport.range_into(url, run.start, run.end, piece)
            try:
                self._unpack_from(piece, run.members, run.start, name)
            except BadWheelError:
                piece.truncate(0)
                if not resumed:
                    raise
                # What an earlier attempt left may be of another version: once more from nothing.
                self.transport.range_into(url, run.start, run.end, piece)
                self._unpack_from(piece, run.members, run.start, name)

    def _unpack_local(self, path: Path, members: Iterable[Member], name: str) -> None:
        with path.open("rb") as file:
            self._unpack_from(cast(BinaryIO, file), members, 0, name)

    def _unpack_from(
        self, file: BinaryIO, members: Iterable[Member], offset: int, name: str
    ) -> None:
        for member in members:
            file.seek(member.start - offset)
            with self.store.publishing(self.store.content(member.digest)) as sink:
                unpack(member, file, sink, name)


def runs(members: Iterable[Member]) -> list[Run]:
    """Group members into what is read at once: neighbours, up to a size that is worth resuming."""
    groups: list[list[Member]] = []
    for member in sorted(members, key=lambda member: member.start):
        last = groups[-1] if groups else None
        if last and member.start - last[-1].end <= GAP and member.end - last[0].start <= RUN_LIMIT:
            last.append(member)
        else:
            groups.append([member])
    return [Run(members=tuple(group)) for group in groups]


class RemoteFile(io.RawIOBase):
    """A remote file that zipfile can read: its known end grows backwards by what is asked for."""

    def __init__(self, transport: Transport, url: str) -> None:
        self._transport, self._url = transport, url
        tail = transport.tail(url, TAIL)
        self._size, self._data = tail.size, tail.data
        self._position = 0

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origins = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}
        self._position = max(0, origins[whence] + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        start = self._position
        end = self._size if size is None or size < 0 else min(self._size, start + size)
        self._position = max(start, end)
        known = self._size - len(self._data)
        if known - start > REACH:
            return self._range(start, end)
        if start < known:
            self._data = self._range(start, known) + self._data
            known = start
        return self._data[start - known : end - known]

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer, as io.BufferedReader asks."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _range(self, start: int, end: int) -> bytes:
        with io.BytesIO() as sink:
            self._transport.range_into(self._url, start, end, sink)
            return sink.getvalue()


def _read_local(path: Path, name: str) -> Directory:
    try:
        with path.open("rb") as file:
            return read_directory(cast(BinaryIO, file), name)
    except OSError as error:
        raise NoWheelError(f"{path}: expected a wheel, found: {error.strerror}") from None


def _check_whole(file: BinaryIO, location: Location) -> None:
    if not location.digest:
        return
    file.seek(0)
    found = sha256_of(file)
    if found != location.digest:
        raise BadWheelError(
            f"{location.filename}: expected SHA-256 {location.digest} (the index), found {found}; "
            "nothing was written: take it from another place"
        )


def _from_note(note: dict[str, Any]) -> Directory:
    members = tuple(Member(**member) for member in note["members"])
    return Directory(**{**note, "members": members})


def _no_wheel(url: str) -> NoWheelError:
    return NoWheelError(f"{redacted(url)}: expected a wheel, the server has none there")
