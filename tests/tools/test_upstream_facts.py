"""What CMake is told of an upstream checkout."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cmake.upstream import CXX, write_torch, write_upstream
from tools.presets.machine import Machine
from tools.upstream_facts import jobs_at_once, main

GIB = 1 << 30


@pytest.mark.parametrize(("memory", "jobs"), [(1, 1), (3, 1), (4, 2), (64, 2)])
def test_two_compiles_run_at_once_where_memory_bears_them(memory: int, jobs: int) -> None:
    """Each takes 1.9 GiB; a container's limit counts, not the machine behind it."""
    assert jobs_at_once(Machine(cores=8, memory=memory * GIB)) == jobs


@pytest.mark.skipif(CXX is None, reason="needs a C++ compiler on PATH")
def test_every_fact_is_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """CMake's string(JSON) reads a flat object; lists are its own, joined by semicolons."""
    source, torch = write_upstream(tmp_path / "DeepGEMM"), write_torch(tmp_path / "torch")
    (tmp_path / "cuda" / "include").mkdir(parents=True)
    include = str(tmp_path / "cuda" / "include")
    assert main(["--source", str(source), "--torch", str(torch), "--cuda-include", include]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["include"].split(";") == [
        str(torch / "include"),
        str(torch / "include/torch/csrc/api/include"),
        include,
    ]
    assert facts["libraries"] == str(torch / "lib" / "libc10.so")
    assert (facts["torch_abi"], facts["version"]) == ("1", "2.5.0")
    assert facts["jobs"] in {"1", "2"}
