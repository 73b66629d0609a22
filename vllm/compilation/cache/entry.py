"""One entry: a folder of files, its factors, and the checksums of all of them, written last.

A folder is an entry only when every file is there, is what its checksum says, and the factors make
the key that it goes by. It knows files, neither torch nor where entries lie.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from vllm.compilation.factors import Factors, canonical_json

FACTORS = "factors.json"
CHECKSUMS = "checksums.json"
_CHUNK = 1 << 20


class DamagedError(Exception):
    """An entry does not hold what it was published with; the message names the file."""


def seal(folder: Path, factors: Factors) -> None:
    """Make a folder of files an entry: factors, then checksums, all of it on the disk."""
    (folder / FACTORS).write_text(factors.canonical, encoding="utf-8")
    sums = {name: digest_of(folder / name) for name in files_of(folder)}
    text = canonical_json(sums)
    digest = hashlib.sha256(text.encode()).hexdigest()
    (folder / CHECKSUMS).write_text(canonical_json({"files": sums, "sha256": digest}))
    for path in (*folder.rglob("*"), folder):
        synchronize(path)


def read_factors(file: Path) -> Factors:
    """Return the factors of an entry's factors.json, unverified.

    Raises: DamagedError where they cannot be read.
    """
    try:
        return Factors.parse(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DamagedError(f"{FACTORS}: {error}") from None


def verify(folder: Path, key: str) -> None:
    """Hold that a folder is the entry of a key.

    Raises: DamagedError names the first file that says otherwise.
    """
    expected = _checksums(folder)
    found = set(files_of(folder)) - {CHECKSUMS}
    if found != set(expected):
        odd = ", ".join(sorted(found ^ set(expected)))
        raise DamagedError(f"expected the files of {CHECKSUMS}, differs in {odd}")
    for name, digest in expected.items():
        if digest_of(folder / name) != digest:
            raise DamagedError(f"{name}: its content is not what was published")
    if read_factors(folder / FACTORS).key != key:
        raise DamagedError(f"{FACTORS}: belongs to another key")


def copy_verified(folder: Path, key: str, destination: Path) -> None:
    """Copy an entry and verify the copy, so that what is used is what was verified.

    Raises: DamagedError where the copy is no entry; FileNotFoundError where the entry went away.
    """
    shutil.copytree(folder, destination, dirs_exist_ok=True)
    verify(destination, key)


def files_of(folder: Path) -> list[str]:
    """List the names of a folder's files, relative to it."""
    return sorted(path.relative_to(folder).as_posix() for path in _files(folder))


def size_of(folder: Path) -> int:
    """Return the bytes of a folder's files."""
    return sum(path.stat().st_size for path in _files(folder))


def digest_of(file: Path) -> str:
    """Return a file's SHA-256 in hexadecimal."""
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def synchronize(path: Path) -> None:
    """Put a file's bytes, or a folder's names, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink())


def _checksums(folder: Path) -> dict[str, str]:
    try:
        tree = json.loads((folder / CHECKSUMS).read_text(encoding="utf-8"))
        sums: dict[str, str] = tree["files"]
        stated = tree["sha256"]
        # Any other spelling of the same values is damage too: every byte counts.
        whole = canonical_json({"files": sums, "sha256": stated})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedError(f"{CHECKSUMS}: cannot be read ({error})") from None
    genuine = hashlib.sha256(canonical_json(sums).encode()).hexdigest() == stated
    if not genuine or (folder / CHECKSUMS).read_text(encoding="utf-8") != whole:
        raise DamagedError(f"{CHECKSUMS}: its content is not what was published")
    return sums
