"""What a wheel says it contains: its zip directory and its RECORD, checked against each other.

Knows the zip and wheel formats. Refuses to know where the bytes come from.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO

from tools.precompiled.errors import BadWheelError

# Source: PKWARE APPNOTE 4.3.7, the local file header; the last two fields are name and extra
# length.
LOCAL_HEADER = struct.Struct("<4s5H3L2H")
CHUNK = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Member:
    """One file of a wheel: where its local entry lies, how it is packed, what it must become."""

    path: str
    size: int
    packed: int
    method: int
    mode: int
    start: int
    end: int
    digest: str = ""


@dataclass(frozen=True, kw_only=True)
class Directory:
    """All that a wheel says of itself: its members with their digests, and METADATA."""

    filename: str
    members: tuple[Member, ...]
    metadata: str


def read_directory(file: BinaryIO, name: str) -> Directory:
    """Return what the wheel says of itself, its members in the order of their bytes.

    Raises: BadWheelError for a member that would leave its place, is a link, is encrypted or comes
    twice, and for a RECORD that contradicts the zip directory.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            members = _members(archive, name)
            record, metadata = (
                _text(archive, members, part, name) for part in ("RECORD", "METADATA")
            )
    except (zipfile.BadZipFile, struct.error, EOFError, NotImplementedError) as error:
        raise BadWheelError(
            f"{name}: expected a wheel, a zip file with its directory at the end; {error}; "
            "it was cut short, or is no wheel: fetch it again"
        ) from None
    return Directory(filename=name, members=_with_digests(members, record, name), metadata=metadata)


def unpack(member: Member, entry: BinaryIO, sink: BinaryIO, name: str) -> None:
    """Write the member's content from its local entry to `sink`, proven against RECORD's digest.

    Raises: BadWheelError where header, size or digest are not those of the directory and RECORD.
    """
    head = entry.read(LOCAL_HEADER.size)
    if len(head) < LOCAL_HEADER.size or head[:4] != b"PK\x03\x04":
        raise BadWheelError(f"{name}: {member.path}: no zip entry where the directory puts one")
    *_, name_length, extra_length = LOCAL_HEADER.unpack(head)
    if entry.read(name_length).decode("utf-8", "replace") != member.path:
        raise BadWheelError(f"{name}: {member.path}: the entry has another name than the directory")
    entry.read(extra_length)
    digest, size = hashlib.sha256(), 0
    for piece in _inflated(member, entry, name):
        size += len(piece)
        digest.update(piece)
        if size > member.size:
            break
        sink.write(piece)
    if size != member.size or digest.hexdigest() != member.digest:
        raise BadWheelError(
            f"{name}: {member.path}: expected {member.size} bytes with SHA-256 {member.digest} "
            f"(RECORD), found {size} bytes with {digest.hexdigest()}; nothing was written to the "
            "checkout: the wheel or the way to it is damaged, take it from another place"
        )


def _members(archive: zipfile.ZipFile, name: str) -> tuple[Member, ...]:
    infos = sorted(archive.infolist(), key=lambda info: info.header_offset)
    faults = [fault for info in infos for fault in _faults(info)]
    faults += _repeated(info.filename for info in infos)
    if faults:
        raise BadWheelError(f"{name}: refused, nothing was written: " + "; ".join(faults))
    ends = [info.header_offset for info in infos[1:]] + [archive.start_dir]
    return tuple(
        _member(info, end) for info, end in zip(infos, ends, strict=True) if not info.is_dir()
    )


def _text(archive: zipfile.ZipFile, members: Iterable[Member], part: str, name: str) -> str:
    """Return a file of the wheel's own *.dist-info folder."""
    split = [member.path.split("/") for member in members]
    paths = [
        f"{top}/{part}" for top, *rest in split if top.endswith(".dist-info") and rest == [part]
    ]
    if len(paths) != 1:
        raise BadWheelError(f"{name}: expected one *.dist-info/{part}, found {len(paths)}")
    return archive.read(paths[0]).decode("utf-8", "replace")


def _faults(info: zipfile.ZipInfo) -> list[str]:
    path, mode = info.orig_filename, info.external_attr >> 16
    parts = path.removesuffix("/").split("/")
    faults = []
    if path.startswith("/") or any(part in {"", ".", ".."} for part in parts) or "\\" in path:
        faults.append(f"{path!r} leads out of its folder")
    if any(ord(letter) < 32 for letter in path):
        faults.append(f"{path!r} has a control character in its name")
    if stat.S_IFMT(mode) not in {0, stat.S_IFREG, stat.S_IFDIR}:
        faults.append(f"{path!r} is a link or a device, not a file")
    if info.flag_bits & 0x1:
        faults.append(f"{path!r} is encrypted")
    if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        faults.append(f"{path!r} is packed by method {info.compress_type}, not stored or deflated")
    return faults


def _repeated(paths: Iterable[str]) -> list[str]:
    faults = []
    seen: dict[str, str] = {}
    for path in paths:
        other = seen.setdefault(path.casefold(), path)
        if other is not path:
            kind = "is there twice" if other == path else f"differs from {other!r} by case alone"
            faults.append(f"{path!r} {kind}")
    return faults


def _member(info: zipfile.ZipInfo, end: int) -> Member:
    return Member(
        path=info.filename,
        size=info.file_size,
        packed=info.compress_size,
        method=info.compress_type,
        mode=0o755 if (info.external_attr >> 16) & 0o111 else 0o644,
        start=info.header_offset,
        end=end,
    )


def _with_digests(members: Iterable[Member], record: str, name: str) -> tuple[Member, ...]:
    """Return the members with the SHA-256 that RECORD promises (none for RECORD itself)."""
    promised: dict[str, tuple[str, str]] = {}
    for row in csv.reader(record.splitlines()):
        if len(row) != 3:
            raise BadWheelError(f"{name}: RECORD row {row!r}: expected path, digest and size")
        if promised.setdefault(row[0], (row[1], row[2])) != (row[1], row[2]):
            raise BadWheelError(f"{name}: RECORD names {row[0]} twice, with different digests")
    return tuple(_with_digest(member, promised.get(member.path), name) for member in members)


def _with_digest(member: Member, promise: tuple[str, str] | None, name: str) -> Member:
    if promise is None or not promise[0]:
        return member
    algorithm, _, value = promise[0].partition("=")
    if algorithm != "sha256":
        raise BadWheelError(
            f"{name}: {member.path}: RECORD's digest is {algorithm}, expected sha256"
        )
    if promise[1] and promise[1] != str(member.size):
        raise BadWheelError(
            f"{name}: {member.path}: RECORD says {promise[1]} bytes, the zip {member.size}"
        )
    digest = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)).hex()
    return Member(**{**vars(member), "digest": digest})


def _inflated(member: Member, entry: BinaryIO, name: str) -> Iterable[bytes]:
    left = member.packed
    inflater = zlib.decompressobj(-15) if member.method == zipfile.ZIP_DEFLATED else None
    while left > 0:
        piece = entry.read(min(CHUNK, left))
        if not piece:
            raise BadWheelError(f"{name}: {member.path}: the entry ends {left} bytes early")
        left -= len(piece)
        try:
            yield piece if inflater is None else inflater.decompress(piece)
        except zlib.error as error:
            raise BadWheelError(f"{name}: {member.path}: {error}") from None
    if inflater is not None:
        yield inflater.flush()
