"""Starts of small models with rotary and FP8 layers: a cold one saves, a warm one in a new process
only loads.

On an H100 or H200 the FP8 layers are DeepGEMM's; elsewhere the same runs on the CPU.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

ROOT = Path(__file__).resolve().parents[3]
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
KINDS = ("dense", "moe")
PIECES = 3  # before the first attention, between two, after the last


def environment(cache: Path) -> dict[str, str]:
    return {**os.environ, "VLLM_CACHE_ROOT": str(cache), "PYTHONPATH": str(ROOT)}


Answers = dict[str, dict[str, Any]]


def start_each(cache: Path) -> Answers:
    """Start each model in a new process, side by side."""
    script = str(ROOT / "benchmarks" / "compile_cache.py")
    processes = {
        kind: subprocess.Popen(
            [sys.executable, script, "--once", kind, "--device", DEVICE],
            env=environment(cache),
            stdout=subprocess.PIPE,
        )
        for kind in KINDS
    }
    said = {kind: process.communicate()[0] for kind, process in processes.items()}
    assert [process.returncode for process in processes.values()] == [0] * len(KINDS)
    return {kind: json.loads(answer.splitlines()[-1]) for kind, answer in said.items()}


@pytest.fixture(scope="module")
def starts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Answers, Answers]:
    """Return what cold starts said, and then warm ones."""
    cache = tmp_path_factory.mktemp("cache")
    return start_each(cache), start_each(cache)


@pytest.mark.parametrize("kind", KINDS)
def test_a_cold_start_saves_each_piece_and_a_warm_one_compiles_nothing(
    kind: str, starts: tuple[Answers, Answers]
) -> None:
    """It imports none of Inductor's compiler, and times no kernel's configurations again. Both have
    the same results, for two sizes of the batch.
    """
    cold, warm = (each[kind] for each in starts)
    assert {name: count for name, count in cold["counters"].items() if count} == {
        "num_graphs_seen": 1, "num_pieces_seen": 5, "num_compiled": PIECES, "num_saved": PIECES,
    }  # fmt: skip
    assert {name: count for name, count in warm["counters"].items() if count} == {
        "num_graphs_seen": 1, "num_pieces_seen": 5, "num_loaded": PIECES,
    }  # fmt: skip
    assert warm["sums"] == cold["sums"]
    assert (cold["compiler"] != [], warm["compiler"]) == (True, [])
    timed = [each["torch"]["kernels_timed"] for each in (cold, warm)]
    assert (timed[0] > 0, timed[1]) == (DEVICE == "cuda", 0)
    if DEVICE == "cpu":
        assert warm["deep_gemm"] == "the model has no DeepGEMM layer"


def test_a_key_is_measured_on_the_device_of_the_starts() -> None:
    """DeepGEMM's layers run on no other."""
    script = "import json, compile_cache as b; print(json.dumps(b.measure_key(1, DEVICE)))"
    search = os.pathsep.join((str(ROOT), str(ROOT / "benchmarks")))
    said = subprocess.check_output(
        [sys.executable, "-c", script.replace("DEVICE", repr(DEVICE))],
        env={**os.environ, "PYTHONPATH": search},
    )
    assert set(json.loads(said.splitlines()[-1])) == {"first_ms", "later_ms"}


def test_a_process_that_waits_for_a_killed_compilation_takes_over(tmp_path: Path) -> None:
    """With Inductor itself, which guards as on a GPU: the heir compiles; who comes after, from
    wherever, only loads.
    """
    command = [sys.executable, str(ROOT / "tests" / "compile" / "small_model.py")]
    processes = [
        subprocess.Popen(command, env=environment(tmp_path), stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    staging = tmp_path / "torch_compile_cache" / "staging"
    while not (staging.is_dir() and any(staging.iterdir())):
        assert all(process.poll() is None for process in processes)
        time.sleep(0.01)
    maker = processes[0] if holds_a_lock(processes[0].pid, tmp_path) else processes[1]
    os.kill(maker.pid, signal.SIGKILL)
    (heir,) = (process for process in processes if process is not maker)
    maker.communicate()
    first = json.loads(heir.communicate()[0])
    assert (heir.returncode, first["num_compiled"], first["num_saved"]) == (0, 2, 2)
    home = tmp_path / "home"
    home.mkdir()
    moved = {name: str(home) for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME")}
    elsewhere = {**environment(tmp_path), **moved, "HOSTNAME": "another"}
    later = subprocess.run(command, cwd=home, env=elsewhere, stdout=subprocess.PIPE, check=True)
    second = json.loads(later.stdout)
    assert (second["num_compiled"], second["num_loaded"]) == (0, 2)
    assert second["sum"] == first["sum"]


def holds_a_lock(process: int, cache: Path) -> bool:
    """Whether a process is the one that writes below the staging folder or compiles for it."""
    held = Path("/proc/locks").read_text().splitlines()
    locks = {str(lock.stat().st_ino) for lock in cache.rglob("locks/*.lock")}
    return any(
        line.split()[4] == str(process) and line.split()[5].rpartition(":")[2] in locks
        for line in held
        if "FLOCK" in line and "->" not in line
    )
