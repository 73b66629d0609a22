"""`inv ci.*` hands its arguments to the tool and leaves with the tool's exit code."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]

invoke = pytest.importorskip("invoke", reason="inv is for a person's own environment")


@pytest.mark.parametrize(
    ("call", "status"),
    [
        ("list", 0),
        ("explain tests", 0),
        ("explain no-such-step", 62),
        ("run lint-and-types --dry-run", 0),
        ("list --diff no-range", 65),
    ],
)
def test_a_task_is_the_tools_command(
    call: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names and exit codes are those of `python -m tools.buildkite`."""
    monkeypatch.chdir(REPOSITORY)
    collection = invoke.Collection.from_module(import_module("tasks.ci"))
    program = invoke.Program(namespace=collection)
    with pytest.raises(SystemExit) as ended:
        program.run(f"inv {call}", exit=True)
    assert ended.value.code == status


def test_inv_lists_the_tasks_from_the_checkout() -> None:
    """`inv --list`, as a person types it, finds the collection and what it imports."""
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-m", "invoke", "--list"]
    done = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True)
    for name in ("ci.lint", "ci.list", "ci.explain", "ci.run", "ci.emit"):
        assert name in done.stdout


def test_the_tasks_of_presets_and_kernels_need_invoke_alone() -> None:
    """Without rich and PyYAML all tasks are there, and `ci.*` says what to install."""
    code = "import sys; sys.modules.update(rich=None, yaml=None); from invoke.main import program; "
    for task, status, said in (
        ("presets.show", 0, ""),
        ("ci.list", 1, "expected the package rich, found none; get all that tools need: uv pip"),
    ):
        command = [sys.executable, "-c", f"{code}program.run('inv {task}')"]
        done = subprocess.run(command, cwd=REPOSITORY, check=False, capture_output=True, text=True)
        assert done.returncode == status, done.stderr
        assert said in done.stderr
        assert "Traceback" not in done.stderr
