"""The doctor: what it says of machines with and without a driver, a GPU, an extension."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.vllm.third_party.deep_gemm.conftest import ROOT, Run
from vllm.third_party.deep_gemm import doctor

FACE = ROOT / "vllm" / "third_party" / "deep_gemm"
EXAMINE = """
import sys
from vllm.third_party.deep_gemm import doctor
code = doctor.main(["--json"])
sys.stdout.flush()
print(code)
"""


def told(run: Run, **settings: Any) -> tuple[int, dict[str, dict[str, str]]]:
    """Return the exit code and the checks by subject."""
    *lines, code = run(EXAMINE, **settings).lines
    data = json.loads("\n".join(lines))
    assert data["kernels_run_here"] is (code == "0")
    return int(code), {check["subject"]: check for check in data["checks"]}


def test_a_hopper_gpu_is_well(run: Run) -> None:
    """Each part is named with what was found; what torch alone could show is left out."""
    code, checks = told(run)
    assert code == 0
    assert checks["driver"]["found"] == "CUDA 13.0"
    assert checks["GPU 0"]["found"] == "Fake 0, sm_90 132 multiprocessors"
    assert {name: checks[name]["state"] for name in ("extension", "cubins", "self-test")} == {
        **{"extension": "ok", "cubins": "ok", "self-test": "ok"}
    }
    assert checks["a GEMM"]["state"] == "skip"


def test_a_machine_without_a_driver_is_told_so(run: Run) -> None:
    """The extension is well all the same."""
    code, checks = told(run, driver=False)
    assert code == 1
    assert checks["driver"]["state"] == "FAIL"
    assert "libcuda.so.1" in checks["driver"]["found"]
    assert checks["extension"]["state"] == "ok"
    assert not [name for name in checks if name.startswith("GPU")]


@pytest.mark.parametrize(
    ("settings", "subject", "state", "words"),
    [
        ({"version": "12040"}, "driver", "FAIL", "CUDA 12.4"),
        ({"count": "0"}, "GPU", "FAIL", "no usable GPU"),
        ({"sm": "80"}, "GPU 0", "warn", "Fake 0, sm_80"),
        ({"sm": "80"}, "GPU", "FAIL", "no usable GPU"),
        ({"fail": "cuInit"}, "GPU", "FAIL", "no usable GPU"),
        ({"missing": "cuLibraryLoadData"}, "GPU", "FAIL", "no usable GPU"),
    ],
)
def test_what_stands_in_the_way_is_named(
    run: Run, settings: dict[str, str], subject: str, state: str, words: str
) -> None:
    """Each with advice, and kernels are said not to run."""
    code, checks = told(run, **settings)
    assert code == 1
    assert (checks[subject]["state"], checks[subject]["found"]) == (state, words)
    assert checks[subject]["advice"]


def test_a_second_gpu_of_another_kind_is_only_a_warning(run: Run) -> None:
    """One that serves is enough."""
    code, checks = told(run, count="2")
    assert code == 0
    assert {"GPU 0", "GPU 1"} <= checks.keys()


def test_a_package_without_an_extension_says_who_knows(tmp_path: Path) -> None:
    """The import error names the doctor's file, and that file runs by itself."""
    ignored = shutil.ignore_patterns("*.so", "__pycache__")
    shutil.copytree(FACE, tmp_path / "deep_gemm", ignore=ignored)
    (tmp_path / "deep_gemm" / "_C.cpython-39-x86_64-linux-gnu.so").touch()
    command = [sys.executable, "-c", "import deep_gemm"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    *_, message = done.stderr.splitlines()
    assert message.startswith("ImportError: deep_gemm: expected an extension")
    assert "found none that loads (none is there); to see why" in message
    file = message.rpartition("python ")[2]
    assert Path(file) == tmp_path / "deep_gemm" / "doctor.py"
    done = subprocess.run([sys.executable, file], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "there: _C.cpython-39-x86_64-linux-gnu.so" in done.stdout
    assert "in a checkout: build into it, or start Python in another folder" in done.stdout
    assert done.stdout.endswith("kernels do not run here\n")


def test_a_damaged_extension_is_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loader's own words are the finding."""
    monkeypatch.setattr(doctor, "HERE", tmp_path)
    (tmp_path / "_C.abi3.so").write_bytes(b"\x7fELF, and no more")
    binding, check = doctor._extension()
    assert (binding, check.state) == (None, "FAIL")
    assert "_C.abi3.so" in check.found


def install(folder: Path, name: str, version: str, file: str) -> None:
    """Record a distribution that brought one file."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n")
    (info / "RECORD").write_text(f"{file},,\n{info.name}/RECORD,,\n")


@pytest.mark.parametrize(
    ("others", "state", "words"),
    [
        ([("vllm-deepgemm", "2.0", "vllm/x.py")], "ok", "vllm-deepgemm 2.0, deep-gemm-hopper 2.0"),
        ([("vllm-deepgemm", "1.0", "vllm/x.py")], "warn", "vllm-deepgemm 1.0, deep-gemm-hopper 2."),
        ([("deep-gemm", "2.6", "deep_gemm/a.py")], "warn", "deep_gemm belongs to deep-gemm, deep-"),
    ],
)
def test_packages_that_do_not_go_together_are_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    others: list[tuple[str, str, str]],
    state: str,
    words: str,
) -> None:
    """Two versions in one process share a library; two owners of one folder mix their files."""
    for each in [("deep-gemm-hopper", "2.0", "deep_gemm/doctor.py"), *others]:
        install(tmp_path, *each)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    (check,) = doctor._packages()
    assert check.state == state
    assert words in check.found
    assert bool(check.advice) is (state == "warn")


def test_settings_of_a_jit_are_said_to_steer_nothing() -> None:
    """Those who move over have them set."""
    (check,) = doctor._settings({"DG_JIT_CACHE_DIR": "x", "HOME": "y"})
    assert (check.state, check.found) == ("warn", "DG_JIT_CACHE_DIR")
    assert list(doctor._settings({"HOME": "y"})) == []


@pytest.mark.parametrize(("value", "state"), [(128.0, "ok"), (127.0, "FAIL")])
def test_the_gemm_is_judged_by_its_result(
    monkeypatch: pytest.MonkeyPatch, value: float, state: str
) -> None:
    """A kernel that runs and computes nonsense is not well."""
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)

    def compute(*operands: Any) -> None:
        operands[4].fill_(value)

    binding = SimpleNamespace(fp8_gemm_nt=compute)
    assert doctor._gemm(binding, usable=True, device="cpu").state == state


def test_a_refused_launch_is_the_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's message is kept."""
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)

    def refuse(*_: Any) -> None:
        raise RuntimeError("cuLaunchKernelEx: CUDA error 719")

    check = doctor._gemm(SimpleNamespace(fp8_gemm_nt=refuse), usable=True, device="cpu")
    assert (check.state, check.found) == ("FAIL", "cuLaunchKernelEx: CUDA error 719")


@pytest.mark.parametrize(("version", "state"), [("2.9.1", "warn"), ("2.11.0+cu130", "ok")])
def test_an_old_torch_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, state: str
) -> None:
    """Its tensors cross by the slower way."""
    install(tmp_path, "torch", version, "torch/x.py")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    check = doctor._torch()
    assert (check.state, check.found) == (state, version)
