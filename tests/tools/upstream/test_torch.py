"""The torch to compile against, read from its files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cmake.upstream import CXX, write_torch
from tools.upstream.torch import NoTorchError, Torch

pytestmark = pytest.mark.skipif(CXX is None, reason="needs a C++ compiler on PATH")
ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("abi", [0, 1])
def test_version_and_abi_are_read_from_its_files(tmp_path: Path, abi: int) -> None:
    """The mangled name of a constructor tells which std::string it was built with."""
    torch = Torch.read(write_torch(tmp_path / "torch", version="2.11.0+cu130", cxx11_abi=abi))
    assert (torch.version, torch.release, torch.cxx11_abi) == ("2.11.0+cu130", "2.11.0", abi)
    assert torch.libraries == (tmp_path / "torch" / "lib" / "libc10.so",)


def test_the_environments_torch_is_found_and_not_imported(tmp_path: Path) -> None:
    """One whose import fails is found as well."""
    (write_torch(tmp_path / "torch") / "__init__.py").write_text("raise SystemExit('imported')")
    script = "import sys; from tools.upstream.torch import Torch; print(Torch.find().folder)"
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path += [{str(tmp_path)!r}]; {script}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str(tmp_path / "torch")


def test_a_named_folder_goes_before_the_environments(tmp_path: Path) -> None:
    """What was named is taken or refused."""
    assert Torch.find(str(write_torch(tmp_path / "torch"))).version == "2.99.0+cpu"
    with pytest.raises(NoTorchError, match=r"found no .*version\.py"):
        Torch.find(str(tmp_path / "nowhere"))


def test_an_environment_without_torch_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the interpreter and both remedies."""
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(NoTorchError, match="install it there, or name its folder with"):
        Torch.find()


@pytest.mark.parametrize(("file", "what"), [("version.py", "version"), ("lib/libc10.so", "Error")])
def test_files_that_say_nothing_are_refused(tmp_path: Path, file: str, what: str) -> None:
    """A guess would be a binary that crashes."""
    folder = write_torch(tmp_path / "torch")
    (folder / file).write_bytes(b"")
    with pytest.raises(NoTorchError, match=f"found no .*{what}"):
        Torch.read(folder)


def test_a_torch_serves_the_interpreter_that_it_was_built_for(tmp_path: Path) -> None:
    """Its own extension has that name."""
    folder = write_torch(tmp_path / "torch")
    (folder / "_C.cpython-311-x86_64-linux-gnu.so").touch()
    torch = Torch.read(folder)
    assert torch.serves(".cpython-311-x86_64-linux-gnu.so")
    assert not torch.serves(".cpython-312-x86_64-linux-gnu.so")
