"""A Python that lacks what tools import is told so in one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("module", ["buildkite", "precompiled", "doctor", "interpreters"])
def test_a_tool_without_its_packages_says_how_to_get_them(module: str) -> None:
    """No traceback; the command installs the group of pyproject.toml."""
    command = [sys.executable, "-S", "-m", f"tools.{module}"]  # -S: without site-packages
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {sys.executable}: expected the package ")
    assert done.stderr.endswith(f"--group {ROOT}/pyproject.toml:tools\n")
    assert done.stderr.count("\n") == 1
