"""The effects that an install has on a file system, one method each, so that a test can fail any
one.

Whatever is written is synced before its name is; nothing is truncated in place.
"""

from __future__ import annotations

import errno
import hashlib
import os
from contextlib import suppress
from pathlib import Path

CHUNK = 1 << 20


class Disk:
    """Real effects; each announces itself first, which a test uses to fail or to kill there."""

    def announce(self, effect: str, path: Path) -> None:
        """Do nothing; called before each effect."""

    def make_folder(self, path: Path) -> None:
        """Make one folder whose parent is there."""
        self.announce("make_folder", path)
        path.mkdir(exist_ok=True)

    def copy(self, source: Path, target: Path, mode: int) -> str:
        """Copy to a new file, sync it, and return the SHA-256 of what was copied."""
        digest = hashlib.sha256()
        self.announce("create", target)
        with source.open("rb") as reading, target.open("xb") as writing:
            while piece := reading.read(CHUNK):
                self.announce("write", target)
                digest.update(piece)
                writing.write(piece)
            writing.flush()
            os.fchmod(writing.fileno(), mode)
            self.announce("sync", target)
            os.fsync(writing.fileno())
        return digest.hexdigest()

    def publish(self, path: Path, text: str) -> None:
        """Replace a small file whole."""
        beside = path.with_name(f"{path.name}.new")
        self.announce("write", beside)
        with beside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        self.rename(beside, path)
        self.sync_folder(path.parent)

    def keep(self, path: Path, old: Path) -> None:
        """Give the file a second name, so that the first can be replaced and restored."""
        self.announce("keep", path)
        try:
            os.link(path, old, follow_symlinks=False)
        except OSError as error:
            if error.errno not in {errno.EPERM, errno.ENOTSUP, errno.EMLINK}:
                raise
            self.copy(path, old, path.stat().st_mode & 0o7777)

    def rename(self, path: Path, target: Path) -> None:
        """Put the file under the name of another one, at once."""
        self.announce("rename", target)
        path.replace(target)

    def restore(self, old: Path, target: Path) -> None:
        """Put a kept file back; two names of the same file become one."""
        self.rename(old, target)
        # Order: rename(2) of two names of one file does nothing, so the kept name may still be
        # there.
        old.unlink(missing_ok=True)

    def delete(self, path: Path) -> None:
        """Delete the file where it is there."""
        # A read-only file system refuses even to delete what is not there.
        if os.path.lexists(path):
            self.announce("delete", path)
            path.unlink(missing_ok=True)

    def drop_folder(self, path: Path) -> None:
        """Delete the folder where it is there and empty."""
        if path.is_dir():
            self.announce("drop_folder", path)
            with suppress(OSError):
                path.rmdir()

    def sync_folder(self, path: Path) -> None:
        """Make the names in a folder durable."""
        self.announce("sync_folder", path)
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
