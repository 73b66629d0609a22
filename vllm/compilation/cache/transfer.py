"""Entries on their way to another machine: one tar file out, each entry verified on its way in.

Limit: an artefact is code that runs when it is loaded. Checksums tell damage, not malice: import
    only from who you trust.
"""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from shutil import copyfileobj

from vllm.compilation.cache import entry
from vllm.compilation.cache.errors import BadArchiveError, DamagedEntriesError
from vllm.compilation.cache.store import Store


def export_entries(store: Store, keys: Sequence[str], archive: Path) -> int:
    """Write entries, verified, to a tar file that appears whole; return its bytes.

    Raises: DamagedEntriesError names entries that are not what was published; BadArchiveError where
        the file cannot be written. Nothing is, then.
    """
    if not os.access(archive.parent, os.W_OK) or archive.is_dir():
        raise BadArchiveError(
            f"{archive}: expected a file in a folder that exists and can be written; name another"
        )
    with tempfile.TemporaryDirectory(dir=archive.parent, prefix=".export-") as beside:
        staged = Path(beside) / "archive.tar"
        with tarfile.open(staged, "w", format=tarfile.PAX_FORMAT) as tar:
            for key in keys:
                copy = Path(beside) / key
                try:
                    entry.copy_verified(store.entries / key, key, copy)
                except (OSError, entry.DamagedError) as damage:
                    raise DamagedEntriesError(
                        f"entry {key}: {damage}; try verify --quarantine"
                    ) from None
                for name in entry.files_of(copy):
                    _add(tar, copy / name, f"{key}/{name}")
        entry.synchronize(staged)
        staged.replace(archive)
    return archive.stat().st_size


def import_entries(store: Store, archive: Path) -> tuple[list[str], list[str]]:
    """Publish an archive's entries; return the keys that are new, and those that were there.

    Raises: BadArchiveError where a member is no file of an entry, or an entry is damaged; nothing
        is published then.
    """
    store.staging.mkdir(parents=True, exist_ok=True)
    store.entries.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=store.staging, prefix="import-") as beside:
        folder = Path(beside)
        _unpack(archive, folder)
        keys = sorted(path.name for path in folder.iterdir())
        for key in keys:
            try:
                entry.verify(folder / key, key)
            except entry.DamagedError as damage:
                raise BadArchiveError(
                    f"{archive}: entry {key}: {damage}; export it again"
                ) from None
        new = [key for key in keys if _publish(folder / key, store.entries / key)]
    entry.synchronize(store.entries)
    return new, [key for key in keys if key not in new]


def _publish(staged: Path, place: Path) -> bool:
    if place.is_dir():
        return False
    for path in (*staged.rglob("*"), staged):
        entry.synchronize(path)
    try:
        staged.rename(place)
    except OSError:
        if not place.is_dir():
            raise
        return False
    return True


def _add(tar: tarfile.TarFile, file: Path, name: str) -> None:
    """Add a file without owner, time and umask: equal entries make equal archives."""
    content = file.read_bytes()
    member = tarfile.TarInfo(name)
    member.size = len(content)
    member.mode = 0o755 if os.access(file, os.X_OK) else 0o644
    tar.addfile(member, io.BytesIO(content))


def _unpack(archive: Path, folder: Path) -> None:
    try:
        with tarfile.open(archive, "r:") as tar:
            for member in tar:
                _unpack_member(tar, member, archive, folder)
    except (tarfile.TarError, OSError) as error:
        raise BadArchiveError(
            f"{archive}: expected an export of a compile cache ({error})"
        ) from None


def _unpack_member(
    tar: tarfile.TarFile, member: tarfile.TarInfo, archive: Path, folder: Path
) -> None:
    parts = PurePosixPath(member.name).parts
    safe = len(parts) > 1 and not member.name.startswith("/") and ".." not in parts
    stream = tar.extractfile(member) if member.isreg() and safe else None
    if stream is None:
        raise BadArchiveError(
            f"{archive}: member {member.name!r} is no file of an entry; nothing imported"
        )
    target = folder.joinpath(*parts)
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as written:
        copyfileobj(stream, written)
    target.chmod(0o755 if member.mode & 0o100 else 0o644)
