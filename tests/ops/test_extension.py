"""The extension as a file: what it needs of CPython, torch and the machine, and what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tools.wheel.elf import Elf
from tools.wheel.limited_api import limited_api

LISTED = Path(__file__).resolve().parents[2] / "csrc/ops/binding/torch_functions.def"
IMPORT = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("_C", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
import torch
print(torch.ops._C.silu_and_mul.default._schema)
"""


@pytest.fixture(scope="module")
def extension() -> Path:
    return Path(str(sys.modules["vllm._C"].__file__))


def imported(extension: Path, torch: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Import the file first of all, in a process of its own, perhaps with another torch."""
    environ = {**os.environ, "PYTHONPATH": str(torch or "")}
    command = [sys.executable, "-c", IMPORT, str(extension)]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)


def fake_torch(folder: Path, body: str) -> Path:
    (folder / "torch").mkdir()
    (folder / "torch" / "__init__.py").write_text(body)
    return folder


def test_it_is_linked_to_no_torch_and_no_cuda(extension: Path) -> None:
    """So that one file serves every torch from 2.11 on, with CUDA and without."""
    elf = Elf.parse(extension.read_bytes())
    system = {"libstdc++.so.6", "libgcc_s.so.1", "libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2"}
    assert set(elf.needed) <= system
    assert set(elf.defined) == {"PyInit__C"}
    assert elf.rpath is None
    assert elf.runpath is None


def test_what_it_leaves_undefined_is_cpythons_limited_api(extension: Path) -> None:
    """No function of torch is left to the loader, no private one of CPython is used."""
    elf = Elf.parse(extension.read_bytes())
    strong = {symbol.name for symbol in elf.undefined if symbol.version is None and not symbol.weak}
    assert strong
    assert strong <= limited_api()


def test_every_function_that_is_listed_is_one_that_torch_has() -> None:
    """In order, each once: this torch's library defines them all."""
    import torch

    listed = re.findall(r"VLLM_TORCH_FUNCTION\((\w+)\)", LISTED.read_text())
    assert listed == sorted(set(listed))
    library = Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"
    found = subprocess.run(
        ["nm", "-D", "--defined-only", library], capture_output=True, text=True, check=True
    )
    assert set(listed) <= {line.split()[-1] for line in found.stdout.splitlines()}


def test_it_can_be_imported_before_torch(extension: Path) -> None:
    """It brings torch itself."""
    done = imported(extension)
    assert done.returncode == 0, done.stderr
    assert "_C::silu_and_mul(Tensor(a!) result, Tensor input) -> ()" in done.stdout


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("raise ModuleNotFoundError(\"No module named 'torch'\")", "No module named 'torch'"),
        ("", "libtorch_cpu.so: expected it loaded by `import torch`, found it absent"),
        (
            "import ctypes, pathlib\n"
            "ctypes.CDLL(str(pathlib.Path(__file__).with_name('libtorch_cpu.so')))",
            "torch: expected 2.11 or later, found one without aoti_torch_abi_version",
        ),
    ],
)
def test_a_torch_that_does_not_serve_is_told_as_an_import_error(
    extension: Path, body: str, message: str, tmp_path: Path
) -> None:
    """Absent, another thing of that name, too old: no crash and no undefined symbol."""
    folder = fake_torch(tmp_path, body)
    library = folder / "torch" / "libtorch_cpu.so"
    options = ["-shared", "-Wl,-soname,libtorch_cpu.so", "-x", "c", "/dev/null"]
    subprocess.run(["cc", *options, "-o", str(library)], check=True)
    done = imported(extension, folder)
    assert done.returncode == 1
    assert message in done.stderr
