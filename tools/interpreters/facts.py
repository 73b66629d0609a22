"""What is known of one interpreter, and how it is asked: it runs probe.py, once."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from packaging.version import Version

PROBE = Path(__file__).with_name("probe.py")
PROBE_LIMIT_S = 5.0  # a probe takes 20 ms; a shim that asks the network, or a dead mount, does not


class ProbeError(Exception):
    """No answer: the file cannot be run, is too slow, or prints other things."""


@dataclass(frozen=True, kw_only=True)
class Interpreter:
    """One CPython executable and its ABI: the keys of probe.py, with the same meaning."""

    executable: Path  # absolute; the link of a virtual environment is kept
    base_executable: Path
    implementation: str
    version: str
    soabi: str
    ext_suffix: str
    include: Path | None  # holds Python.h
    platinclude: Path | None  # holds pyconfig.h; mostly the same folder
    python_h: bool
    pyconfig_h: bool
    free_threaded: bool
    cache_tag: str
    machine: str
    platform: str
    error: str  # why no extension can be compiled for it, or ""

    @classmethod
    def parse(cls, text: str) -> Interpreter:
        """Read what probe.py printed.

        Raises: ProbeError, when it is something else.
        """
        try:
            known = json.loads(text)
            kinds = {field.name: str(field.type) for field in fields(cls)}
            values = {name: _convert(known[name], kind) for name, kind in kinds.items()}
            Version(known["version"])
        except (ValueError, KeyError, TypeError) as problem:
            raise ProbeError(f"answered something else: {text.strip()[:80]!r}") from problem
        return cls(**values)

    def to_json(self) -> dict[str, str | bool]:
        """Return the object that probe.py would print."""
        return {
            name: value if isinstance(value, bool) else str(value or "")
            for name, value in asdict(self).items()
        }

    @property
    def series(self) -> str:
        """The part of the version that an extension is bound to: 3.12."""
        return ".".join(self.version.split(".")[:2])

    @property
    def prerelease(self) -> bool:
        """Whether its ABI may still change."""
        return Version(self.version).is_prerelease


def _convert(value: object, kind: str) -> Any:
    """Turn a JSON value into a field of this type; "" is no path."""
    if not isinstance(value, bool if kind == "bool" else str):
        raise TypeError(kind)
    if kind == "Path":
        return Path(str(value))
    return (Path(str(value)) if value else None) if kind == "Path | None" else value


Ask = Callable[[Path], Interpreter]


def ask(executable: Path, limit_s: float = PROBE_LIMIT_S) -> Interpreter:
    """Run probe.py with the interpreter and return its facts.

    Raises: ProbeError.
    """
    command = [str(executable), "-I", "-S", str(PROBE)]
    try:
        done = subprocess.run(
            command, capture_output=True, stdin=subprocess.DEVNULL, timeout=limit_s, check=False
        )
    except subprocess.TimeoutExpired as problem:
        raise ProbeError(f"did not answer in {limit_s:g} s") from problem
    except OSError as problem:
        raise ProbeError(f"cannot run: {os.strerror(problem.errno or 0)}") from problem
    if done.returncode != 0:
        said = _summarise(done.stderr.decode(errors="replace"))
        raise ProbeError(f"cannot run: exit {done.returncode}, {said}")
    return Interpreter.parse(done.stdout.decode(errors="replace"))


def _summarise(stderr: str) -> str:
    """Return the line that says why: the exception of a traceback, else the first of all."""
    lines = stderr.strip().splitlines() or ["nothing on stderr"]
    return next((line for line in reversed(lines) if "Error: " in line), lines[0])
