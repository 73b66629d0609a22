"""The folder of a process: its own, gone at its end, swept after its violent death."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PRINT = "from vllm.compilation.process_folder import process_folder as f; print(f(), flush=True)"


def run(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "TMPDIR": str(folder), "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )


def test_it_goes_with_its_process(tmp_path: Path) -> None:
    """A normal end leaves nothing."""
    done = run(PRINT, tmp_path)
    assert Path(done.stdout.strip()).parent == tmp_path
    assert list(tmp_path.iterdir()) == []


def test_a_killed_process_s_folder_is_swept_and_a_living_one_s_is_not(tmp_path: Path) -> None:
    """By whoever starts next."""
    killed = run(f"{PRINT}; import os; os.kill(os.getpid(), 9)", tmp_path)
    assert Path(killed.stdout.strip()).is_dir()
    nested = f"{PRINT}; import subprocess, sys; subprocess.run([sys.executable, '-c', {PRINT!r}])"
    nested += "; print(f().is_dir())"
    living = run(nested, tmp_path)
    assert living.stdout.split()[-1] == "True"
    assert list(tmp_path.iterdir()) == []


def test_a_forked_child_has_its_own(tmp_path: Path) -> None:
    """Its end takes nothing from its parent."""
    code = f"{PRINT}; import os; child = os.fork(); print(f())\n"
    code += "if child: os.wait(); print(f().is_dir())"
    lines = run(code, tmp_path).stdout.split()
    assert len(set(lines[:-1])) == 2
    assert lines[-1] == "True"
