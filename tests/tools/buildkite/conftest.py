"""A scratch checkout with step files, read by the real reader."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest

from tools.buildkite.areas import Areas, read_areas
from tools.buildkite.lint import lint
from tools.buildkite.step import Step
from tools.buildkite.tree import Tree

AREA = ".buildkite/test_areas/area.yaml"


@dataclass(frozen=True)
class Checkout:
    """A folder that stands for a repository."""

    root: Path

    def write(self, path: str, text: str = "") -> Path:
        """Write a file and the folders above it."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text))
        return file

    def areas(self, text: str, path: str = AREA) -> Areas:
        """Write one step file and read all of them."""
        self.write(path, text)
        return read_areas(self.root)

    def step(self, text: str) -> Step:
        """Write one step file and return its first step, which must be sound."""
        areas = self.areas(text)
        assert not areas.findings, areas.findings
        return areas.steps[0]

    def lint(self, text: str) -> list[str]:
        """Write one step file and return its findings as `line rule: message`."""
        found = lint(self.areas(text), Tree.of(self.root))
        return [f"{one.position.line} {one.rule}: {one.message}" for one in found]

    def git(self, *arguments: str) -> str:
        """Run git as a person whom it knows."""
        person = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
        command = ["git", *person, *arguments]
        return subprocess.run(
            command, cwd=self.root, check=True, capture_output=True, text=True
        ).stdout.strip()

    def commit(self, message: str) -> str:
        """Commit everything and return the commit."""
        if not (self.root / ".git").exists():
            self.git("init", "-q", "-b", "main")
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")


def is_running(pid: int) -> bool:
    """Say whether a process is there and no zombie, which only waits for its parent to look."""
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """Return an empty checkout."""
    return Checkout(root=tmp_path)
