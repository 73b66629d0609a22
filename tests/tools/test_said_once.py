"""What a build shows of compiles that fail."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tools.said_once import run, said_once

LOG = """\
[1/8] Building a.o
FAILED: [code=1] a.o
c++ -DSOABI=a -c x.cpp
In file included from python3.10/Python.h:1,
x.cpp:7:14: error: invalid conversion
    7 | int broken = "x";
"""
SAME = LOG.replace("a.o", "b.o").replace("=a", "=b").replace("3.10", "3.11").replace("1/8", "2/8")
OTHER = LOG.replace("a.o", "c.o").replace("invalid", "another").replace("1/8", "3/8")
END = "ninja: build stopped: subcommand failed.\n"


def shown(text: str) -> str:
    return "".join(said_once(text.splitlines(keepends=True)))


def test_the_errors_of_a_unit_are_shown_once() -> None:
    """What else failed with them is named; a failure with others stands there whole."""
    said = shown(LOG + SAME + OTHER + END)
    assert (
        said
        == LOG + "[2/8] Building b.o\nFAILED: [code=1] b.o: with the errors above\n" + OTHER + END
    )


@pytest.mark.parametrize("text", ["", END, LOG, "x.cpp: warning: unused\n" * 2, LOG + OTHER])
def test_nothing_else_is_left_out(text: str) -> None:
    """Warnings stay, and a failure that is the last thing said."""
    assert shown(text) == text


def test_failures_without_an_error_line_all_stand_there() -> None:
    """A killed compiler says nothing; its command is all there is."""
    killed = "FAILED: a.o\nc++ a\n[2/2] b\nFAILED: b.o\nc++ b\n"
    assert shown(killed) == killed


def test_a_command_is_run_with_its_code_and_both_streams(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it says comes out, its exit code comes back."""
    script = "import os, sys; print(os.getcwd(), file=sys.stderr); sys.exit(3)"
    assert run([sys.executable, "-c", script], folder=tmp_path, environ=os.environ) == 3
    assert capsys.readouterr().out == f"{tmp_path}\n"
