"""What Inductor asks of a CPU: once for all processes, and again where nothing is known."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch._inductor.cpu_vec_isa import VecAVX2, VecAVX512, VecISA

from vllm.compilation import cpu_probe
from vllm.compilation.graph_factors import devices_of

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = "int main() {}"

# Starts the small model, and says on standard error which processes that started.
WATCHED = """
import runpy, sys

def watch(event, arguments):
    if event in ("subprocess.Popen", "os.fork", "os.posix_spawn", "os.system"):
        command = arguments[1] if event == "subprocess.Popen" else [event]
        print("started", *command, sep="\\t", file=sys.stderr)

sys.addaudithook(watch)
runpy.run_path(sys.argv[1], run_name="__main__")
"""


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each test begin without answers."""
    monkeypatch.setattr(cpu_probe, "_answers", {})


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Let a CPU answer yes, and note the flags that it was asked about."""
    flags: list[str] = []

    def ask(self: Any, program: str) -> bool:
        flags.append(self._arch_flags)
        return True

    monkeypatch.setattr(VecISA, "check_build", ask)
    yield flags
    assert VecISA.check_build is ask, "the method is put back"


def test_a_question_is_asked_once_and_another_one_too(asked: list[str]) -> None:
    """Other flags and other programs are other questions."""
    with cpu_probe.answering():
        assert all(VecAVX2().check_build(PROGRAM) for _ in range(2))
        assert asked == [VecAVX2._arch_flags]
        assert VecAVX512().check_build(PROGRAM)
        assert VecAVX2().check_build(PROGRAM + "\n")
    assert len(asked) == 3


def test_answers_are_those_of_whoever_made_the_entry(asked: list[str], tmp_path: Path) -> None:
    """No among them; a folder without answers teaches nothing."""
    with cpu_probe.answering():
        VecAVX2().check_build(PROGRAM)
    cpu_probe.save(tmp_path)
    said = json.loads((tmp_path / cpu_probe.ANSWERS).read_text())
    (tmp_path / cpu_probe.ANSWERS).write_text(json.dumps(dict.fromkeys(said, False)))
    cpu_probe.learn(tmp_path / "empty")
    cpu_probe.learn(tmp_path)
    with cpu_probe.answering():
        assert not VecAVX2().check_build(PROGRAM)
    assert len(asked) == 1


def test_a_loading_process_starts_no_compiler_and_no_program(tmp_path: Path) -> None:
    """It only asks the compiler's version, even where Inductor has precompiled no header yet."""
    cold, warm = (started(tmp_path / "cache", tmp_path / place) for place in ("cold", "warm"))
    assert any("-o" in command for command in cold), "the watch sees compilers"
    assert [command for command in warm if command[1:] not in (["--version"], ["-v"])] == []


def started(cache: Path, home: Path) -> list[list[str]]:
    """Start the small model as on a fresh machine; return the commands that it ran."""
    home.mkdir()
    environment = {
        **os.environ, "VLLM_CACHE_ROOT": str(cache), "PYTHONPATH": str(ROOT),
        "TMPDIR": str(home), "TORCHINDUCTOR_CACHE_DIR": str(home / "inductor"),
    }  # fmt: skip
    script = str(ROOT / "tests" / "compile" / "small_model.py")
    command = [sys.executable, "-c", WATCHED, script]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    lines = (line.split("\t") for line in done.stderr.splitlines())
    return [words[1:] for words in lines if words[0] == "started"]


def test_what_a_graph_makes_on_a_device_counts_as_its_inputs_do() -> None:
    """The CPU is a factor wherever code for it may be made."""
    graph = torch.fx.symbolic_trace(torch.nn.Identity())
    given = torch.empty(1, device="meta")
    assert devices_of(graph, [given, 3]) == {torch.device("meta")}
    next(iter(graph.graph.nodes)).meta["example_value"] = (torch.empty(1), 2)
    assert devices_of(graph, [given]) == {torch.device("cpu"), torch.device("meta")}
