"""Single flight: of all processes and threads that miss one key, one at a time is inside.

The lock is the kernel's (flock), so a process that dies, however it dies, holds nothing: no lock is
ever stale.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

logger = logging.getLogger(__name__)

_held: set[int] = set()


def _let_go() -> None:
    """Close a forked child's copies of the locks: they are its parent's, and end with it."""
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_let_go)


@contextmanager
def single_flight(lock: Path) -> Iterator[None]:
    """Hold the lock of a key; wait where another holds it.

    Raises: OSError where the file system has no locks or cannot be written.
    """
    descriptor = _locked(lock)
    _held.add(descriptor)
    try:
        yield
    finally:
        _held.discard(descriptor)
        os.close(descriptor)


def remove_idle(lock: Path) -> bool:
    """Remove a lock file that nobody holds; return whether it is gone."""
    try:
        descriptor = os.open(lock, os.O_RDWR)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        lock.unlink(missing_ok=True)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _locked(lock: Path) -> int:
    lock.parent.mkdir(parents=True, exist_ok=True)
    while True:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            _wait(descriptor, lock)
            if _is_still(descriptor, lock):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # removed while we waited: another file is the lock now


def _wait(descriptor: int, lock: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        logger.info("compile cache: waiting for another process that compiles %s", lock.stem[:12])
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def _is_still(descriptor: int, lock: Path) -> bool:
    try:
        now, held = lock.stat(), os.fstat(descriptor)
    except FileNotFoundError:
        return False
    return (now.st_ino, now.st_dev) == (held.st_ino, held.st_dev)
