"""Where uv is, and how it is run: with absolute paths, in silence, without seed packages."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from tools.errors import ToolError

# Not handed on: seed packages make a venv anything but bare, and UV_VENV_CLEAR deletes folders.
UNWANTED = ("UV_VENV_SEED", "UV_VENV_CLEAR", "UV_PYTHON")


class UvMissingError(ToolError):
    """Install uv."""

    exit_code: ClassVar[int] = 14


def find_uv(environ: Mapping[str, str]) -> Path:
    """Return the uv that started us (`$UV`), the one beside this Python, or the first of PATH.

    A shim comes last: it costs a shell at each call, and serves one Python's uv only.

    Raises: UvMissingError.
    """
    folders = [Path(folder) for folder in environ.get("PATH", "").split(os.pathsep) if folder]
    folders = [Path(sys.executable).parent, *sorted(folders, key=lambda f: "shims" in f.parts)]
    named = [Path(environ["UV"])] if environ.get("UV") else []
    for file in (*named, *(folder / "uv" for folder in folders)):
        if os.access(file, os.X_OK) and file.is_file():
            return file.absolute()
    raise UvMissingError(
        "uv: expected it as $UV or on PATH, found neither; get it with "
        "`python3 -m pip install uv`, or see https://docs.astral.sh/uv/getting-started/installation"
    )


def run_uv(
    uv: Path,
    *arguments: str,
    environ: Mapping[str, str],
    limit_s: float | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run uv, nothing shown, and return how it ended and what it said.

    Raises: OSError, subprocess.TimeoutExpired.
    """
    return subprocess.run(
        [str(uv), "--no-progress", *arguments],  # not --quiet: that hides errors too
        env={name: value for name, value in environ.items() if name not in UNWANTED},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=limit_s,
        check=False,
    )


def summarise(done: subprocess.CompletedProcess[str]) -> str:
    """Return why uv failed on one line: its error, and the last of its causes."""
    said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    return "; ".join(dict.fromkeys([said[0], said[-1]])) if said else f"exit {done.returncode}"
