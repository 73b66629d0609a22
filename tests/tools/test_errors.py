"""Exit codes: one for each decision, so that a script can tell them apart."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path

TOOLS = Path(__file__).resolve().parents[2] / "tools"


def exit_codes() -> list[int]:
    """Every `exit_code` that a class of tools/ states."""
    trees = (ast.parse(file.read_text(encoding="utf-8")) for file in TOOLS.rglob("*.py"))
    nodes = (node for tree in trees for node in ast.walk(tree))
    statements = [node for node in nodes if isinstance(node, (ast.Assign, ast.AnnAssign))]
    return [
        ast.literal_eval(node.value)
        for node in statements
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name) and target.id == "exit_code"
        if isinstance(node.value, ast.Constant)
    ]


def test_no_two_decisions_share_an_exit_code() -> None:
    """The packages choose theirs apart from each other: this is where they meet."""
    counts = Counter(exit_codes())
    assert len(counts) > 40
    assert [code for code, times in counts.items() if times > 1] == []


def test_a_reader_that_stops_early_is_no_error() -> None:
    """`| head` sees no traceback, whenever the output is written."""
    for options in ([], ["-u"]):
        command = [sys.executable, *options, "-m", "tools.buildkite", "list", "--json"]
        pipe = subprocess.PIPE
        shown = subprocess.Popen(command, cwd=TOOLS.parent, stdout=pipe, stderr=pipe)
        assert shown.stdout is not None
        shown.stdout.close()
        _, said = shown.communicate()
        assert (said, shown.returncode) == (b"", 141)
