"""A CUDA driver that is none, and processes that load it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[3]
PRELUDE = """
from tests.vllm.third_party.deep_gemm.fake_tensor import FakeTensor, CPU
from vllm.third_party import deep_gemm
from vllm.third_party.deep_gemm import _C

def operands(m=256, n=384, k=512, output="bf16", **other):
    kb, nb = -(-k // 128), -(-n // 128)
    mn_major = (1, -(-m // 4) * 4)
    t = dict(a=FakeTensor("e4m3", (m, k)), scale_a=FakeTensor("f32", (m, kb), strides=mn_major),
             b=FakeTensor("e4m3", (n, k)), scale_b=FakeTensor("f32", (nb, kb)),
             d=FakeTensor(output, (m, n)), c=None)
    t.update(other)
    return t

def call(**other):
    t = operands(**other)
    deep_gemm.fp8_gemm_nt((t["a"], t["scale_a"]), (t["b"], t["scale_b"]), t["d"], t["c"])

def told(**other):
    try:
        call(**other)
    except Exception as error:
        print(type(error).__name__, error)
    else:
        print("launched")
"""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a process printed, and the launches that the driver saw, a list of words each."""

    lines: list[str]
    launches: list[list[str]]


Run = Callable[..., Outcome]


@pytest.fixture(scope="session")
def fake_driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("needs a C compiler for the stand-in driver")
    folder = tmp_path_factory.mktemp("driver")
    source = str(HERE / "fake_driver.c")
    target = str(folder / "libcuda.so.1")
    subprocess.run([compiler, "-shared", "-fPIC", "-w", "-o", target, source], check=True)
    return folder


@pytest.fixture
def run(fake_driver: Path, tmp_path: Path) -> Run:
    """Run lines of Python after PRELUDE, with the stand-in driver and its FAKE_CUDA_… settings."""

    def run_lines(lines: str, *, driver: bool = True, **settings: str) -> Outcome:
        log = tmp_path / "launches"
        log.write_text("")
        environ = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "LD_LIBRARY_PATH": str(fake_driver if driver else tmp_path),
            "FAKE_CUDA_LOG": str(log),
            **{f"FAKE_CUDA_{name.upper()}": value for name, value in settings.items()},
        }
        done = subprocess.run(
            [sys.executable, "-c", PRELUDE + lines],
            env=environ,
            cwd=tmp_path,
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        launches = [line.split() for line in log.read_text().splitlines()]
        return Outcome(lines=done.stdout.splitlines(), launches=launches)

    return run_lines
