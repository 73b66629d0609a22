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
from contextlib import suppress
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
    """Ask, then kill, the group and every marked process, until all of them are gone."""
    seen: set[int] = set()
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            os.killpg(process.pid, number)
        for pid in _marked(mark):
            seen.add(pid)
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        limit = time.monotonic() + GRACE_S
        while process.poll() is None or _marked(mark) or any(map(_is_running, seen)):
            if time.monotonic() > limit:
                break
            time.sleep(POLL_S)
    process.wait()


def _marked(mark: str) -> list[int]:
    wanted = f"{MARK}={mark}".encode()
    return [int(path.name) for path in Path("/proc").glob("[0-9]*") if wanted in _environment(path)]


def _environment(process: Path) -> bytes:
    try:
        return (process / "environ").read_bytes()
    except OSError:  # it ended, or is another user's
        return b""


def _is_running(pid: int) -> bool:
    """Say whether the process still has memory and files; a zombie waits for its parent only."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"
