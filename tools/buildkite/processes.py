"""A command and everything that it starts: shown live, logged, ended together.

A job's processes carry a mark in their environment. What left the process group (setsid, a daemon)
is found by it, so that a timeout ends grandchildren too. Limit: a process that clears its
environment and leaves the group escapes.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

MARK = "CI_STEP_JOB"
GRACE_S = 3.0  # between asking and killing
POLL_S = 0.05


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a command ended; `status` is None where time ran out."""

    status: int | None
    seconds: float


def run_logged(
    command: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    log: Path,
    show: Callable[[bytes], object],
    timeout_s: float | None = None,
    cancelled: threading.Event | None = None,
) -> Ended:
    """Run a command to its end or its timeout; on return none of its processes is left."""
    mark = uuid.uuid4().hex
    start = time.monotonic()
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**environment, MARK: mark},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert process.stdout is not None
        reader = threading.Thread(target=_copy, args=(process.stdout, stream, show))
        reader.start()
        try:
            status = _wait(process, timeout_s, cancelled or threading.Event())
        finally:
            _end_all(process, mark)  # Order: before join, a leftover process holds the pipe open
            reader.join()
            process.stdout.close()
    return Ended(status=status, seconds=time.monotonic() - start)


def _copy(source: IO[bytes], log: IO[bytes], show: Callable[[bytes], object]) -> None:
    while chunk := os.read(source.fileno(), 65536):
        log.write(chunk)
        log.flush()
        show(chunk)


def _wait(
    process: subprocess.Popen[bytes], timeout_s: float | None, cancelled: threading.Event
) -> int | None:
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    while process.poll() is None:
        if cancelled.wait(POLL_S) or (deadline is not None and time.monotonic() > deadline):
            return None
    return process.returncode


def _end_all(process: subprocess.Popen[bytes], mark: str) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        if not _signal(process, mark, number):
            break
        limit = time.monotonic() + GRACE_S
        while time.monotonic() < limit and (_marked(mark) or process.poll() is None):
            time.sleep(POLL_S)
    process.wait()


def _signal(process: subprocess.Popen[bytes], mark: str, number: signal.Signals) -> bool:
    """Signal the group and every marked process; say whether there was any."""
    alive = process.poll() is None
    marked = _marked(mark)
    if alive:
        os.killpg(process.pid, number)
    for pid in marked:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
    return alive or bool(marked)


def _marked(mark: str) -> list[int]:
    wanted = f"{MARK}={mark}".encode()
    return [int(path.name) for path in Path("/proc").glob("[0-9]*") if wanted in _environment(path)]


def _environment(process: Path) -> bytes:
    try:
        return (process / "environ").read_bytes()
    except OSError:  # it ended, or is another user's
        return b""
