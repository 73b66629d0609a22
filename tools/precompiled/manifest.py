"""What the last install put into the checkout, from where, and how to tell whether it is still
that.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, cast

from tools.precompiled.disk import Disk
from tools.precompiled.errors import DamagedError
from tools.precompiled.store import sha256_of

# The folder's own .gitignore hides it, so that no source-controlled one has to.
STATE = ".precompiled"
FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Installed:
    """One file that we put there."""

    path: str
    digest: str
    mode: int
    # Size, mtime, ctime and inode when it was put there: while they stay, so do the bytes.
    stamp: tuple[int, ...]
    # Whether a file of the user's lies in .precompiled/saved under the same path.
    saved: bool = False


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The present install of a checkout."""

    generation: str
    source: str
    wheel: str
    files: tuple[Installed, ...]
    folders: tuple[str, ...] = ()
    # What the binaries were compared with, e.g. "torch 2.11.0, CUDA 12.9".
    checked_against: str = ""
    torch_requirement: str = ""

    def file(self, path: str) -> Installed | None:
        """Return the entry of a path."""
        return next((entry for entry in self.files if entry.path == path), None)

    def text(self) -> str:
        """Return the manifest as it is kept."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1) + "\n"


def read_manifest(root: Path) -> Manifest | None:
    """Return the checkout's manifest, None where nothing is installed. Raises: DamagedError."""
    path = manifest_path(root)
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        if fields.pop("format") != FORMAT:
            raise ValueError(f"its format is not {FORMAT}")
        files = tuple(
            Installed(**{**entry, "stamp": tuple(entry["stamp"])}) for entry in fields.pop("files")
        )
        return Manifest(**{**fields, "files": files, "folders": tuple(fields.pop("folders"))})
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedError(
            f"{path}: expected the record of an install, found: {error}; "
            "move it away and install again with --replace"
        ) from None


def manifest_path(root: Path) -> Path:
    """Return where a checkout's manifest is."""
    return root / STATE / "manifest.json"


def saved_path(root: Path, path: str) -> Path:
    """Return where the user's file of this path is kept while ours is in its place."""
    return root / STATE / "saved" / path


def make_state_folder(root: Path, disk: Disk) -> None:
    """Make the folder of our records, ignored by git."""
    state = root / STATE
    disk.make_folder(state)
    ignore = state / ".gitignore"
    if not ignore.is_file():
        disk.publish(ignore, "*\n")


def stamp_of(path: Path) -> tuple[int, ...]:
    """Return what changes when a file's bytes do."""
    found = path.lstat()
    return (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


def is_as_installed(root: Path, entry: Installed, *, hashed: bool = False) -> bool:
    """Say whether the file has the bytes that we put there; `hashed` believes no stamp."""
    path = root / entry.path
    if path.is_symlink() or not path.is_file():
        return False
    if not hashed and stamp_of(path) == entry.stamp:
        return True
    return digest_of(path) == entry.digest


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return sha256_of(cast(BinaryIO, file))


def folders_above(paths: Iterable[str]) -> list[str]:
    """Return every folder above the paths, outermost first, without the checkout itself."""
    found = {str(parent) for path in paths for parent in Path(path).parents} - {"."}
    return sorted(found, key=lambda folder: (folder.count("/"), folder))
