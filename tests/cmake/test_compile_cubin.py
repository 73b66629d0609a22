"""What a person sees of a cubin's compiler."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tools.toolchain import find_toolkit

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("config", "rule"),
    [
        ("64,96,40,2,1,1", "stages: expected 2 to 16"),
        ("65,96,10,2,1,1", "tile_m: expected 64, 128, 192 or 256"),
        ("64,96,10,2,1,3", "blocks: expected 1 or 2"),
        ("64,96,10,2,1,2", "shared memory: more than a block may have"),
        ("256,256,2,2,1,1", "registers: the accumulators of a consumer do not fit"),
    ],
)
def test_an_invalid_row_is_refused_by_its_rule(config: str, rule: str, tmp_path: Path) -> None:
    """The compiler says which rule of `invalid_reason` the row breaks, in words."""
    toolkit = find_toolkit(ROOT, os.environ, os.environ.get("DEEPGEMM_NVCC", ""))
    if toolkit is None:
        pytest.skip("needs nvcc 12.8 or later, found none")
    script, source = ROOT / "cmake" / "compile_cubin.sh", ROOT / "csrc" / "deep_gemm"
    row = f"-DDEEP_GEMM_CONFIG_ARGS=Kind::kFp8,{config}".replace(",", r"\,")
    cubin = tmp_path / "row.cubin"
    target = ("-cubin", "-arch=sm_90a", "-std=c++20", "-I", source, row)
    command = ["sh", script, cubin, toolkit.nvcc, *target, "-o", cubin, source / "aot" / "gemm.cu"]
    done = subprocess.run(list(map(str, command)), check=False, capture_output=True, text=True)
    assert done.returncode != 0
    assert f"Rule{{{{'{rule}'}}}}" in done.stderr
