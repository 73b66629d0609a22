"""A wheel file as members: what may be unpacked, and every member that may not.

Refuses to know what the members mean.

Source: PyPA "Binary distribution format"; PKWARE APPNOTE, 4.4.15 (external attributes).
"""

from __future__ import annotations

import re
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from tools.errors import ToolError
from tools.wheel.contents import Contents
from tools.wheel.findings import Finding
from tools.wheel.policy import Policy

MODES = (0o644, 0o755)
UNSAFE = re.compile(r"[\\\x00-\x1f\x7f]|^[A-Za-z]:")
# What every installer can unpack.
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What zipfile raises for damaged, encrypted or unknown members.
DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError)


class WheelUnreadableError(ToolError):
    """There is no wheel archive under that name, or unpacking it would not be safe."""

    exit_code: ClassVar[int] = 22


def read_archive(wheel: Path, policy: Policy) -> tuple[Contents, tuple[Finding, ...]]:
    """Return the contents of a wheel and the faults of its members.

    Raises: WheelUnreadableError where there are no members to judge.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            members = [info for info in archive.infolist() if not info.filename.endswith("/")]
            _refuse_bomb(wheel, members, policy)
            findings = [*_size(wheel, policy), *_names(archive.infolist()), *_modes(members)]
            files, damage = _unpack(archive, members)
    except (*DAMAGE, ValueError) as error:
        raise WheelUnreadableError(
            f"{wheel}: expected a wheel archive, found {error}; build one with `uv build --wheel`"
        ) from None
    contents = Contents(
        subject=wheel.name, kind="wheel", files=files, dist_info=_only_dist_info(files)
    )
    return contents, (*findings, *damage)


def unsafe_reason(name: str) -> str | None:
    """Return why a member of that name may not be unpacked, None where it may."""
    if UNSAFE.search(name):
        return "a backslash, a drive or a control character"
    if name.startswith("/"):
        return "an absolute path"
    parts = name.removesuffix("/").split("/")
    return "an empty, . or .. part" if {"", ".", ".."} & set(parts) else None


def _refuse_bomb(wheel: Path, members: Sequence[zipfile.ZipInfo], policy: Policy) -> None:
    size = sum(member.file_size for member in members)
    if size > policy.unpacked_limit:
        limit = f"{policy.unpacked_limit} bytes when unpacked"
        raise WheelUnreadableError(f"{wheel}: expected at most {limit}, found {size}")


def _size(wheel: Path, policy: Policy) -> Iterator[Finding]:
    size = wheel.stat().st_size
    if size > policy.archive_limit:
        limit = f"at most {policy.archive_limit} bytes"
        yield Finding(file=wheel.name, expected=limit, found=f"{size}")


def _names(infos: Sequence[zipfile.ZipInfo]) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for info in infos:
        # filename ends at the first NUL; orig_filename is what other readers may see.
        reason = unsafe_reason(info.orig_filename)
        if reason:
            yield _fault(info, "a relative path with forward slashes", reason)
        if stat.S_ISLNK(info.external_attr >> 16):
            yield _fault(info, "a regular file", "a symbolic link")
        folded = unicodedata.normalize("NFC", info.filename).casefold()
        if folded in seen:
            clash = seen[folded]
            found = "it twice" if clash == info.filename else f"{clash} too, which differs by case"
            yield _fault(info, "each name once", found)
        seen.setdefault(folded, info.filename)


def _modes(members: Sequence[zipfile.ZipInfo]) -> Iterator[Finding]:
    for member in members:
        mode = member.external_attr >> 16
        if not stat.S_ISLNK(mode) and (stat.S_IMODE(mode) not in MODES or mode >> 12 not in (0, 8)):
            yield _fault(member, "a regular file of mode 0644 or 0755", f"mode {mode:07o}")


def _unpack(
    archive: zipfile.ZipFile, members: Sequence[zipfile.ZipInfo]
) -> tuple[dict[str, bytes], list[Finding]]:
    files: dict[str, bytes] = {}
    findings: list[Finding] = []
    for member in members:
        if member.compress_type not in METHODS:
            found = f"method {member.compress_type}"
            findings.append(_fault(member, "a stored or deflated member", found))
            continue
        try:
            files.setdefault(member.filename, archive.read(member))
        except DAMAGE as error:
            findings.append(_fault(member, "a member that unpacks", f"damage: {error}"))
    return files, findings


def _only_dist_info(files: dict[str, bytes]) -> str | None:
    folders = {name.split("/")[0] for name in files if "/" in name}
    found = [folder for folder in folders if folder.endswith(".dist-info")]
    return found[0] if len(found) == 1 else None


def _fault(info: zipfile.ZipInfo, expected: str, found: str) -> Finding:
    return Finding(file=info.orig_filename, expected=expected, found=found)
