"""Run a build and show its output; of compiles that fail with the same errors, show one.

Knows how ninja reports a step that failed. One unit is compiled once for each interpreter, and what
is wrong with it is mostly wrong in all of them.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

# Source: ninja, src/status_printer.cc: a step, FAILED with its outputs, the command, what it said.
STEP = re.compile(r"\[\d+/\d+\] |ninja: ")
FAILED = "FAILED: "


def run(command: Sequence[str], *, folder: Path, environ: Mapping[str, str]) -> int:
    """Run a command, show each line as it comes, and return the exit code."""
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in said_once(process.stdout):
            sys.stdout.write(line)
            sys.stdout.flush()
    return process.returncode


def said_once(lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines, and for a failure with the errors of an earlier one only what failed."""
    seen: set[tuple[str, ...]] = set()
    failure: list[str] = []
    for line in lines:
        if STEP.match(line) or line.startswith(FAILED):
            yield from _report(failure, seen)
            failure = []
        if failure or line.startswith(FAILED):
            failure.append(line)
        else:
            yield line
    yield from _report(failure, seen)


def _report(failure: list[str], seen: set[tuple[str, ...]]) -> Iterator[str]:
    errors = tuple(line for line in failure[1:] if "error:" in line)
    if errors and errors in seen:
        yield f"{failure[0].rstrip()}: with the errors above\n"
        return
    seen.add(errors)
    yield from failure
