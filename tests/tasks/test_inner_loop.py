"""`inv presets.*` and `inv kernels.*` hand their arguments on and exit as the tool does."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

invoke = pytest.importorskip("invoke", reason="inv is for a person's own environment")


@pytest.mark.parametrize(
    ("module", "call", "expected"),
    [
        ("presets", "write", []),
        ("presets", "write --no-input --jobs 3", ["--no-input", "--jobs=3"]),
        ("presets", "write -f --nvcc n", ["--force-overwrite", "--nvcc=n"]),
        ("presets", "show", ["--print"]),
        ("presets", "check", ["--check"]),
        ("kernels", "build", ["build", "install"]),
        ("kernels", "build --target deep_gemm --dry-run", ["build", "deep_gemm", "--dry-run"]),
        ("kernels", "affected --diff a..b --json", ["affected", "--diff=a..b", "--json"]),
        ("kernels", "stale", ["stale"]),
    ],
)
def test_a_task_is_the_tools_command(
    module: str, call: str, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tool gets what a person would type, and its exit code is the task's."""
    tasks = import_module(f"tasks.{module}")
    got: list[str] = []

    def main(arguments: list[str]) -> int:
        got.extend(arguments)
        return 71

    monkeypatch.setattr(tasks, "main", main)
    program = invoke.Program(namespace=invoke.Collection.from_module(tasks))
    with pytest.raises(SystemExit) as ended:
        program.run(f"inv {call}", exit=True)
    assert (got, ended.value.code) == (expected, 71)


def test_the_collection_has_every_room() -> None:
    """`inv --list` shows all three."""
    names = import_module("tasks").namespace.task_names
    rooms = {str(Path(name.replace(".", "/")).parent) for name in names}
    assert rooms == {"ci", "kernels", "presets"}
