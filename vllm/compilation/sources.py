"""The traced sources of a graph, by content: each file's name from its package's root, and its
SHA-256.

A file that cannot be read makes the graph unkeyable, not its key weaker. A digest is remembered
while the file's status stands still.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from vllm.compilation.factors import UnkeyableError

# A file changed this recently may change again without its time stamps showing it.
_UNSETTLED_NANOSECONDS = 2_000_000_000


@dataclass(frozen=True, kw_only=True)
class _Known:
    status: tuple[int, int, int, int]
    digest: str


_known: dict[str, _Known] = {}
_names: dict[str, str] = {}


def source_factors(files: Iterable[str], *, skip: tuple[str, ...] = ()) -> dict[str, list[str]]:
    """Return the digests of files under their portable names.

    Files below a `skip` folder are left out: another factor speaks for them.

    Raises: UnkeyableError for a file that cannot be read.
    """
    factors: dict[str, list[str]] = {}
    for file in sorted(set(files)):
        if not file.startswith(skip):
            factors.setdefault(_portable_name(file), []).append(_digest(file))
    return {name: sorted(digests) for name, digests in factors.items()}


def _digest(file: str) -> str:
    try:
        status = os.stat(file)  # noqa: PTH116  a Path would cost more than the call
        stamp = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        known = _known.get(file)
        if known is not None and known.status == stamp:
            return known.digest
        digest = hashlib.sha256(Path(file).read_bytes()).hexdigest()
    except OSError as error:
        raise UnkeyableError(f"traced source {file}: cannot be read ({error.strerror})") from None
    if time.time_ns() - status.st_ctime_ns > _UNSETTLED_NANOSECONDS:
        _known[file] = _Known(status=stamp, digest=digest)
    return digest


def _portable_name(file: str) -> str:
    """Name a file from its topmost package; where the package lies says nothing."""
    if file not in _names:
        path = Path(file)
        root = path.parent
        while (root / "__init__.py").is_file():
            root = root.parent
        _names[file] = path.relative_to(root).as_posix()
    return _names[file]
