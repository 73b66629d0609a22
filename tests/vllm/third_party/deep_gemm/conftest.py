"""A CUDA driver that is none, and processes that load it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[3]
# Attributes of a launch as the driver numbers them: CU_LAUNCH_ATTRIBUTE_...
CLUSTER_DIMENSION = "4"
DEPENDENT = "6"  # PROGRAMMATIC_STREAM_SERIALIZATION
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

def grouped(m=512, n=384, k=512, groups=4, masked=False, psum=False, **other):
    kb, nb = -(-k // 128), -(-n // 128)
    lead, mn_major = ((groups,), (-(-m // 4) * 4 * kb,)) if masked else ((), ())
    t = dict(a=FakeTensor("e4m3", (*lead, m, k)),
             scale_a=FakeTensor("f32", (*lead, m, kb), strides=(*mn_major, 1, -(-m // 4) * 4)),
             b=FakeTensor("e4m3", (groups, n, k)), scale_b=FakeTensor("f32", (groups, nb, kb)),
             d=FakeTensor("bf16", (*lead, m, n)),
             layout=FakeTensor("int32", (groups if masked or psum else m,)))
    t.update(other)
    return t

def call_contiguous(expected=None, psum=False, **other):
    t = grouped(psum=psum, **other)
    steering = dict(use_psum_layout=psum, expected_m_for_psum_layout=expected)
    deep_gemm.m_grouped_fp8_gemm_nt_contiguous(
        (t["a"], t["scale_a"]), (t["b"], t["scale_b"]), t["d"], t["layout"], **steering)

def call_masked(expected=64, **other):
    t = grouped(masked=True, **other)
    deep_gemm.m_grouped_fp8_gemm_nt_masked(
        (t["a"], t["scale_a"]), (t["b"], t["scale_b"]), t["d"], t["layout"], expected)

def matrix(rows, columns, major="k", kind="bf16"):
    return FakeTensor(kind, (rows, columns), strides=(columns, 1) if major == "k" else (1, rows))

def call_bf16(m=256, n=384, k=512, output="bf16", majors="kk", **other):
    t = dict(a=matrix(m, k, majors[0]), b=matrix(n, k, majors[1]), c=None)
    t["d"] = FakeTensor(output, (m, n))
    t.update(other)
    deep_gemm.bf16_gemm_nt(t["a"], t["b"], t["d"], t["c"])

def call_row_scales(m=256, n=384, k=512, output="f32", **other):
    strides = (1, -(-n // 4) * 4)
    t = operands(m, n, k, output, scale_b=FakeTensor("f32", (n, -(-k // 128)), strides=strides))
    t.update(other)
    a, b = (t["a"], t["scale_a"]), (t["b"], t["scale_b"])
    deep_gemm.fp8_gemm_nt(a, b, t["d"], t["c"], (1, 1, 128))

def call_k_grouped(ks, m=256, n=384, c=True, **other):
    k, steps = sum(ks), sum(ks) // 128
    t = dict(a=FakeTensor("e4m3", (m * k,)), b=FakeTensor("e4m3", (n * k,)),
             scale_a=FakeTensor("f32", (m, steps), strides=(1, m)),
             scale_b=FakeTensor("f32", (n, steps), strides=(1, n)),
             d=FakeTensor("f32", (len(ks), m, n)))
    t.update(other)
    t["c"] = t["d"] if c else None
    deep_gemm.k_grouped_fp8_gemm_nt_contiguous(
        (t["a"], t["scale_a"]), (t["b"], t["scale_b"]), t["d"], ks, None, t["c"])

def told(function=call, *arguments, **other):
    try:
        function(*arguments, **other)
    except Exception as error:
        print(type(error).__name__, error)
    else:
        print("launched")
"""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a process printed, and the launches that the driver saw: a list of words each, and the
    kernel's arguments.
    """

    lines: list[str]
    launches: list[list[str]]
    arguments: list[dict[str, Any]]


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
        logged = log.read_text().splitlines()
        return Outcome(
            lines=done.stdout.splitlines(),
            launches=[line.split() for line in logged[::2]],
            arguments=[json.loads(line) for line in logged[1::2]],
        )

    return run_lines
