"""What loading a piece imports of Inductor's compiler: nothing, and all of it where it has to."""

from __future__ import annotations

import builtins
import importlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch._inductor

from vllm.compilation import inductor_artifact, spared_imports
from vllm.compilation.spared_imports import EXTERN_KERNELS, StandIn, sparing

ROOT = Path(__file__).resolve().parents[2]
COMPILER = ("compile_fx", "graph", "ir", "lowering", "scheduler", "select_algorithm")
SELECT = "torch._inductor.select_algorithm"
GRAPH = "torch._inductor.graph"

# Starts the small model, and says which modules of the compiler that imported.
STARTED = f"""
import json, runpy, sys

runpy.run_path(sys.argv[1], run_name="__main__")
print(json.dumps([name for name in {COMPILER!r} if "torch._inductor." + name in sys.modules]))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return an entry's folder, whose Inductor has two kernels of torch's own."""
    (tmp_path / EXTERN_KERNELS).write_text('["addmm","mm"]')
    return tmp_path


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Let the compiler not be imported yet; return what importing it would find, by module."""
    found: dict[str, Any] = {}
    for name in (SELECT, GRAPH):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(importlib, "import_module", found.__getitem__)
    return found


def start(cache: Path) -> tuple[dict[str, Any], list[str]]:
    """Start the small model in a new process; return its counts and the compiler's modules."""
    script = str(ROOT / "tests" / "compile" / "small_model.py")
    environment = {**os.environ, "VLLM_CACHE_ROOT": str(cache), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", STARTED, script]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    said, imported = map(json.loads, done.stdout.splitlines()[-2:])
    return said, imported


def test_a_warm_start_imports_no_compiler(tmp_path: Path) -> None:
    """And has the cold one's result."""
    (cold, imported), (warm, rest) = start(tmp_path), start(tmp_path)
    assert imported == list(COMPILER), "the watch sees imports"
    assert (warm["num_loaded"], warm["num_compiled"], rest) == (2, 0, [])
    assert warm["sum"] == cold["sum"]


def test_kernels_that_are_torch_s_own_need_no_import_and_others_do(
    folder: Path, absent: dict[str, Any]
) -> None:
    """So a wrapper's calls mean what they meant where it was compiled."""
    with sparing(folder):
        from torch._inductor.select_algorithm import extern_kernels
    assert extern_kernels.addmm is torch.addmm
    absent[SELECT] = SimpleNamespace(extern_kernels=SimpleNamespace(bias_addmm=max))
    assert extern_kernels.bias_addmm is max
    with pytest.raises(AttributeError):
        _ = extern_kernels.bmm


def test_what_is_written_down_are_the_kernels_that_are_torch_s_own(
    tmp_path: Path, absent: dict[str, Any]
) -> None:
    """One that only goes by torch's name is not."""
    kernels = SimpleNamespace(mm=torch.mm, addmm=max, bias_addmm=min)
    absent[SELECT] = SimpleNamespace(extern_kernels=kernels)
    spared_imports.save(tmp_path)
    assert json.loads((tmp_path / EXTERN_KERNELS).read_text()) == ["mm"]


def test_only_the_loading_thread_is_answered(folder: Path, absent: dict[str, Any]) -> None:
    """And only until it has loaded; a module that is there answers for itself."""
    asked: list[str] = []
    python: Any = builtins
    real = python.__import__

    def ask(name: str, *values: Any, **named: Any) -> Any:
        asked.append(name)
        found = SimpleNamespace(GraphLowering="real")
        return found if name == GRAPH else real(name, *values, **named)

    def wanted() -> Any:
        return __import__(GRAPH, globals=globals(), fromlist=("GraphLowering",)).GraphLowering

    python.__import__ = ask
    try:
        with sparing(folder):
            assert wanted().save_output_code is None
            assert GRAPH not in asked
            others: list[Any] = []
            other = threading.Thread(target=lambda: others.append(wanted()))
            other.start()
            other.join()
            sys.modules[GRAPH] = torch
            assert wanted() == "real"
        del sys.modules[GRAPH]
        assert [*others, wanted()] == ["real", "real"]
    finally:
        python.__import__ = real


def test_a_torch_that_relies_on_its_compiler_loads_with_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slower, and as torch does it alone; an entry is not blamed."""
    answered: list[bool] = []

    def loaded(_folder: Path) -> Any:
        answered.append(builtins.__import__ is not real)
        if answered[-1]:
            raise AttributeError("torch._inductor.lowering")
        return max

    real = builtins.__import__
    monkeypatch.setattr(inductor_artifact, "_loaded", loaded)
    assert inductor_artifact.load(folder) is max
    assert answered == [True, False]
    assert "torch._inductor.compile_fx" in sys.modules


def test_an_entry_that_names_no_kernels_is_loaded_as_torch_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """At once, not after another way has failed."""
    answered: list[bool] = []
    real = builtins.__import__
    monkeypatch.setattr(
        inductor_artifact, "_loaded", lambda _: answered.append(builtins.__import__ is not real)
    )
    with caplog.at_level("INFO"):
        inductor_artifact.load(tmp_path)
    assert (answered, caplog.messages) == ([False], [])


def test_a_stand_in_asks_the_module_once_and_python_s_own_names_never() -> None:
    """What is known needs no module."""
    asked: list[bool] = []

    def find() -> Any:
        asked.append(True)
        return SimpleNamespace(later=2)

    stand_in = StandIn(find, {"known": 1})
    assert (stand_in.known, asked) == (1, [])
    assert [stand_in.later, stand_in.later, asked] == [2, 2, [True]]
    assert not hasattr(stand_in, "__path__")
    assert asked == [True]


def test_modules_that_torch_takes_for_imported_are_imported_when_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Others are still missing; one is answered without."""
    for name in ("fx_utils", "debug"):
        monkeypatch.delattr(torch._inductor, name, raising=False)
    spared_imports._imply_submodules()
    assert torch._inductor.fx_utils is importlib.import_module("torch._inductor.fx_utils")
    assert not hasattr(torch._inductor, "no_such_module")
    assert isinstance(torch._inductor.debug, StandIn)
    assert torch._inductor.debug.RECORD_GRAPH_EXECUTION is False
