"""A folder for this process's own files: gone when it ends, or when the next process starts after
it was killed.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path

_PREFIX = "vllm-process-"
_OWNER = "owner"

_folders: dict[int, Path] = {}  # by process: a forked child has its own


def process_folder() -> Path:
    """Return this process's folder, made at the first call."""
    process = os.getpid()
    if process not in _folders:
        _sweep(Path(tempfile.gettempdir()))
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        _own(folder)
        _folders[process] = folder
        atexit.register(_remove_own, process)
    return _folders[process]


def _own(folder: Path) -> None:
    """Hold a lock in the folder for as long as this process lives."""
    unnamed = folder / f"{_OWNER}.new"
    descriptor = os.open(unnamed, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    unnamed.rename(
        folder / _OWNER
    )  # Order: named only once it is locked, or a sweep takes it for a dead one's


def _sweep(parent: Path) -> None:
    """Remove the folders whose processes were killed."""
    for owner in parent.glob(f"{_PREFIX}*/{_OWNER}"):
        with contextlib.suppress(OSError):
            descriptor = os.open(owner, os.O_RDWR)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(owner.parent, ignore_errors=True)
            finally:
                os.close(descriptor)


def _remove_own(process: int) -> None:
    if os.getpid() == process:
        shutil.rmtree(_folders[process], ignore_errors=True)
