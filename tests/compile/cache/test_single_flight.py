"""Many processes, one key: one makes the entry, whoever dies at whatever moment harms nobody."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.compile.cache.makers import FACTORS, RESULT, FakeMaker, cache_at
from vllm.compilation.cache.entry import verify
from vllm.compilation.cache.flight import remove_idle, single_flight
from vllm.compilation.cache.store import Store
from vllm.compilation.counter import compilation_counter

ROOT = Path(__file__).resolve().parents[3]
KILLS = 30


def start(root: Path, seconds: float, *more: str) -> subprocess.Popen[str]:
    """Start a process that makes or loads the entry."""
    command = [
        sys.executable,
        str(Path(__file__).with_name("makers.py")),
        str(root),
        str(seconds),
        *more,
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_of_eight_cold_processes_one_makes_the_entry_and_all_have_it(tmp_path: Path) -> None:
    """The others wait, then load."""
    root, go = tmp_path / "cache", tmp_path / "go"
    processes = [start(root, 0.5, str(go)) for _ in range(8)]
    go.touch()
    answers = []
    for process in processes:
        out, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        answers.append(json.loads(out))
    assert [
        sum(answer[count] for answer in answers) for count in ("num_compiled", "num_saved")
    ] == [1, 1]
    assert sum(answer["num_loaded"] for answer in answers) == 7
    assert all(answer["result"] == RESULT for answer in answers)


def test_a_killed_maker_leaves_no_wrong_entry_and_the_next_run_succeeds(tmp_path: Path) -> None:
    """Thirty times, at random moments, before, while and after it publishes."""
    seed = random.randrange(1 << 30)
    moments, store = random.Random(seed), Store(root=tmp_path)
    seen = {"entry": 0, "half": 0}
    for _ in range(KILLS):
        process = start(tmp_path, 0.15)
        waited = time.monotonic() + 20
        while not (tmp_path / "locks").exists() and time.monotonic() < waited:
            time.sleep(0.002)
        time.sleep(moments.uniform(0.0, 0.25))
        process.kill()
        process.communicate()
        seen["half"] += any(store.staging.iterdir()) if store.staging.is_dir() else 0
        for key in store.published():
            seen["entry"] += 1
            verify(store.entries / key, key)
        assert cache_at(tmp_path).get(FACTORS, FakeMaker()) == RESULT, f"seed {seed}"
        assert store.published() == [FACTORS.key]
        assert not store.quarantine.exists(), f"seed {seed}"
        shutil.rmtree(tmp_path / "locks")
        shutil.rmtree(store.entries)
        shutil.rmtree(store.staging)
    assert seen["half"], f"no process was killed while it wrote: {seen}, seed {seed}"


def test_a_waiting_process_takes_over_when_the_maker_dies(tmp_path: Path) -> None:
    """The kernel releases the lock of the dead: nothing is stale."""
    maker = start(tmp_path, 30)
    while not (tmp_path / "staging").exists() or not any((tmp_path / "staging").iterdir()):
        time.sleep(0.01)
    heir = start(tmp_path, 0)
    time.sleep(0.3)
    assert heir.poll() is None, "it waits"
    os.kill(maker.pid, signal.SIGKILL)
    maker.communicate()
    answer = json.loads(heir.communicate(timeout=30)[0])
    assert (answer["num_compiled"], answer["num_loaded"], answer["result"]) == (1, 0, RESULT)


def test_a_held_lock_is_not_removed_and_an_idle_one_is(tmp_path: Path) -> None:
    """Pruning cannot let two processes in."""
    lock = tmp_path / "locks" / "key.lock"
    with single_flight(lock):
        assert not remove_idle(lock)
        assert lock.exists()
    assert remove_idle(lock)
    assert not lock.exists()
    with single_flight(lock):
        assert lock.exists()


def test_a_forked_child_holds_no_lock_of_its_parent(tmp_path: Path) -> None:
    """Compilers fork workers that live on; neither the parent's end of work nor its death may wait
    for them.
    """
    lock = tmp_path / "locks" / "key.lock"
    code = (
        "import os, sys, time; from pathlib import Path\n"
        "from vllm.compilation.cache.flight import single_flight\n"
        "with single_flight(Path(sys.argv[1])):\n"
        "    child = os.fork()\n"
        "    if not child: time.sleep(60); os._exit(0)\n"
        "    print(child, flush=True)\n"
        "    if sys.argv[2] == 'die': os.kill(os.getpid(), 9)\n"
        "time.sleep(60)\n"
    )
    for end in ("work on", "die"):
        command = [sys.executable, "-c", code, str(lock), end]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        parent = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        try:
            patience = time.monotonic() + 20
            while not remove_idle(lock) and time.monotonic() < patience:
                time.sleep(0.01)
            assert not lock.exists(), f"a child of a parent that goes on to {end} holds the lock"
        finally:
            os.kill(child, signal.SIGKILL)
            parent.kill()
            parent.communicate()


def test_a_cache_that_cannot_be_written_compiles_and_says_so(tmp_path: Path) -> None:
    """A file where the folder should be stands in for a read-only disk."""
    (tmp_path / "cache").write_text("not a folder")
    before = compilation_counter.clone()
    assert cache_at(tmp_path / "cache").get(FACTORS, FakeMaker()) == RESULT
    moved = compilation_counter.since(before)
    assert (moved["num_compiled"], moved["num_saved"], moved["num_uncached"]) == (1, 0, 1)
