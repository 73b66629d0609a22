"""The cache that checkouts share: contents by digest, directories of wheels, half-fetched pieces.

Everything is published by rename and read-only afterwards; a piece is fetched by one process at a
time.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

from tools.precompiled.errors import NotWrittenError

CACHE_VARIABLE = "VLLM_PRECOMPILED_CACHE"
Shelf = Literal["wheels", "resolved"]


@dataclass(frozen=True, kw_only=True)
class Store:
    """A folder of contents named by their SHA-256."""

    root: Path

    @classmethod
    def from_environment(cls) -> Store:
        """Return the store of VLLM_PRECOMPILED_CACHE, or of the user's cache folder."""
        if named := os.environ.get(CACHE_VARIABLE):
            return cls(root=Path(named).expanduser().absolute())
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
        return cls(root=Path(base).expanduser() / "vllm" / "precompiled")

    def content(self, digest: str) -> Path:
        """Return where the content with this digest lies, or would lie."""
        return self.root / "contents" / digest[:2] / digest

    def holds(self, digest: str) -> bool:
        """Say whether the content is here."""
        return self.content(digest).is_file()

    def holds_sound(self, digest: str) -> bool:
        """Say whether the content is here with its digest; forget it where it has another one."""
        try:
            with self.content(digest).open("rb") as file:
                sound = sha256_of(cast(BinaryIO, file)) == digest
        except OSError:
            return False
        if not sound:
            with self._written():
                self.content(digest).unlink(missing_ok=True)
        return sound

    def whole(self, version: str) -> Path:
        """Return where a whole wheel lies; only a server without ranges fills this."""
        return self.root / "whole" / f"{hashlib.sha256(version.encode()).hexdigest()}.whl"

    @contextmanager
    def publishing(self, target: Path) -> Iterator[BinaryIO]:
        """Give a file to write into; it becomes `target` when the block ends without error."""
        with self._written():
            target.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=target.parent, prefix=".new-")
            try:
                with os.fdopen(handle, "w+b") as file:
                    yield cast(BinaryIO, file)
                    file.flush()
                    os.fchmod(file.fileno(), 0o444)
                    os.fsync(file.fileno())
                Path(name).replace(target)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise

    def recall(self, shelf: Shelf, key: str) -> dict[str, Any] | None:
        """Return the note kept under this key; one that cannot be read is none."""
        try:
            note = json.loads(self._note(shelf, key).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return note if isinstance(note, dict) else None

    def keep(self, shelf: Shelf, key: str, note: dict[str, Any]) -> None:
        """Keep a note under this key; a cache that cannot be written does without."""
        text = json.dumps(note).encode()
        with suppress(NotWrittenError), self.publishing(self._note(shelf, key)) as file:
            file.write(text)

    @contextmanager
    def piece(self, key: str) -> Iterator[BinaryIO]:
        """Give the half-fetched piece with this key, to append to; wait while another process has
        it.

        The piece stays when the block fails, so that the next attempt resumes, and goes when it
        succeeds.
        """
        path = self.root / "pieces" / hashlib.sha256(key.encode()).hexdigest()
        with self._written(), locked(path.with_suffix(".lock")):
            with path.open("a+b") as file:
                yield cast(BinaryIO, file)
            path.unlink()

    @contextmanager
    def _written(self) -> Iterator[None]:
        """Turn a refused write into the user's decision."""
        try:
            yield
        except OSError as error:
            raise NotWrittenError(
                f"{error.filename or self.root}: {error.strerror}; expected a cache that can be "
                f"written, nothing was written to the checkout; make room, or name another folder "
                f"in {CACHE_VARIABLE}"
            ) from None

    def _note(self, shelf: Shelf, key: str) -> Path:
        return self.root / shelf / f"{hashlib.sha256(key.encode()).hexdigest()}.json"


def sha256_of(file: BinaryIO) -> str:
    """Return the SHA-256 of what is left to read."""
    digest = hashlib.sha256()
    while piece := file.read(1 << 20):
        digest.update(piece)
    return digest.hexdigest()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file; wait while another process holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
