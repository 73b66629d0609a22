"""`inv ci.*` hands its arguments to the tool and leaves with the tool's exit code."""

from __future__ import annotations

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
