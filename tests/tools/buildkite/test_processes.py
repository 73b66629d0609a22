"""Processes: whatever way a command ends, nothing that it started is left."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from tests.tools.buildkite.conftest import is_running
from tools.buildkite import processes
from tools.buildkite.processes import Ended, run_logged


@pytest.fixture(autouse=True)
def _short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "GRACE_S", 0.3)


def ran(
    folder: Path,
    script: str,
    timeout_s: float | None = None,
    cancelled: threading.Event | None = None,
) -> tuple[Ended, bytes]:
    shown: list[bytes] = []
    ended = run_logged(
        ["bash", "-c", script],
        folder=folder,
        environment=dict(os.environ),
        log=folder / "log",
        show=shown.append,
        timeout_s=timeout_s,
        cancelled=cancelled,
    )
    assert b"".join(shown) == (folder / "log").read_bytes()
    return ended, b"".join(shown)


def test_status_and_output_are_those_of_the_command(tmp_path: Path) -> None:
    """Both streams, in order, in the log and on the screen."""
    ended, output = ran(tmp_path, "echo out; echo err >&2; exit 3")
    assert (ended.status, output) == (3, b"out\nerr\n")


def test_output_is_shown_while_the_command_runs(tmp_path: Path) -> None:
    """The command waits until its first line was shown, and would hang otherwise."""
    seen = tmp_path / "seen"
    ended = run_logged(
        ["bash", "-c", f"echo first; until [ -e {seen} ]; do sleep 0.01; done"],
        folder=tmp_path,
        environment=dict(os.environ),
        log=tmp_path / "log",
        show=lambda _: seen.touch(),
        timeout_s=30,
    )
    assert ended.status == 0


GRANDCHILDREN = {
    "in the group": "bash -c 'sleep 600 & echo $! >> pids; wait' & echo $! >> pids; wait",
    "in a session of its own": "setsid bash -c 'echo $$ >> pids; exec sleep 600' & wait",
    "a daemon": "(setsid bash -c 'echo $$ >> pids; exec sleep 600' >/dev/null 2>&1 &); sleep 600",
    "deaf to SIGTERM": "bash -c 'trap : TERM; echo $$ >> pids; while :; do sleep 1; done' & wait",
}


@pytest.mark.parametrize("script", GRANDCHILDREN.values(), ids=GRANDCHILDREN.keys())
def test_a_timeout_leaves_no_grandchild(tmp_path: Path, script: str) -> None:
    """Neither in the process group nor outside it, whether it listens to SIGTERM or not."""
    ended, _ = ran(tmp_path, script, timeout_s=0.5)
    pids = [int(line) for line in (tmp_path / "pids").read_text().split()]
    assert ended.status is None
    assert pids
    assert [pid for pid in pids if is_running(pid)] == []


def test_a_command_that_ends_takes_what_it_left_in_the_background_along(tmp_path: Path) -> None:
    """A forgotten server neither hangs the step, whose output it holds open, nor survives it."""
    ended, output = ran(tmp_path, "sleep 600 & echo $!", timeout_s=30)
    assert ended.status == 0
    assert not is_running(int(output))


def test_a_cancelled_command_is_ended_like_one_out_of_time(tmp_path: Path) -> None:
    """That is how an interrupt reaches the jobs of a step."""
    cancelled = threading.Event()
    cancelled.set()
    ended, _ = ran(tmp_path, "sleep 600", cancelled=cancelled)
    assert ended.status is None


def test_a_command_never_waits_for_a_person(tmp_path: Path) -> None:
    """Its input is empty, as on an agent, although ours is open."""
    ours = os.dup(0)
    reading, writing = os.pipe()
    os.dup2(reading, 0)
    try:
        ended, output = ran(tmp_path, "read line || echo none", timeout_s=30)
    finally:
        os.dup2(ours, 0)
        for descriptor in (ours, reading, writing):
            os.close(descriptor)
    assert (ended.status, output) == (0, b"none\n")
