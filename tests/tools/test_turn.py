"""Builds in one folder take turns."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tools.turn import turn

SECOND = """\
import sys
from pathlib import Path
from tools.turn import turn
with turn(Path(sys.argv[1])):
    print("its turn")
"""


def test_a_second_build_waits_for_the_first(tmp_path: Path) -> None:
    """It says so at once, and goes on when the first has ended."""
    lock = tmp_path / "build" / "lock"
    with turn(lock):
        second = subprocess.Popen(
            [sys.executable, "-c", SECOND, str(lock)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert second.stderr is not None
        assert (
            second.stderr.readline() == f"{lock.parent}: waiting for another build there to end\n"
        )
        assert second.poll() is None
    said, _ = second.communicate()
    assert said == "its turn\n"


def test_a_turn_ends_with_an_error_too(tmp_path: Path) -> None:
    """The next one does not wait for a build that failed."""
    for _ in range(2):
        try:
            with turn(tmp_path / "lock"):
                raise ValueError
        except ValueError:
            pass
