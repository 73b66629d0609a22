"""One at a time: what shares a folder waits until whoever works there is done.

The kernel drops the lock with its process, so that nobody has to clear one of a killed build.
"""

from __future__ import annotations

import fcntl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def turn(lock: Path) -> Iterator[None]:
    """Hold the lock while the block runs; say on stderr where that has to be waited for."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{lock.parent}: waiting for another build there to end", file=sys.stderr)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
