"""Tests of refusing binaries that cannot load here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.tools.precompiled.wheels import EXTENSION, HOST, LIBRARY, PLAIN, SUFFIX
from tools.precompiled.compatibility import Comparison, Host, Library, Torch, torch_requirement
from tools.precompiled.errors import IncompatibleError

SYMBOL = "_ZN3c1010TensorImplD1Ev"
NEEDS_TORCH = replace(PLAIN, needed=("libc10.so",), undefined=frozenset({SYMBOL, "malloc"}))


def findings(library: Library, *, path: str = EXTENSION, host: Host = HOST, **more: str) -> str:
    def read(file: Path) -> Library:
        if file.name == "libc10.so":
            return replace(PLAIN, defined=frozenset({SYMBOL, "aoti_torch_one"}))
        return library

    comparison = Comparison(binaries={path: Path(path)}, host=host, read=read, **more)
    return "\n".join(comparison.findings())


@pytest.fixture
def torch(tmp_path: Path) -> Torch:
    """A torch of CUDA 12 with one library."""
    library = tmp_path / "libc10.so"
    library.touch()
    return Torch(version="2.13.0+cu129", cuda="12.9", libraries={library.name: library})


def test_a_plain_library_for_this_machine_passes() -> None:
    """Nothing is found where nothing is wrong."""
    assert findings(PLAIN) == ""


def test_an_extension_for_other_interpreters_alone_is_refused() -> None:
    """The message names the module, what it is built as and what is loaded here."""
    path = EXTENSION.replace(SUFFIX, ".cpython-39-x86_64-linux-gnu.so")
    found = findings(PLAIN, path=path)
    assert "vllm.third_party.deep_gemm._C" in found
    assert "cpython-39" in found
    assert SUFFIX in found


@pytest.mark.parametrize("suffix", [SUFFIX, ".abi3.so"])
def test_an_exact_or_stable_extension_serves(suffix: str) -> None:
    """One served form of a module is enough, whatever the others are for."""
    other = EXTENSION.replace(SUFFIX, ".cpython-39-x86_64-linux-gnu.so")
    files = {other: Path(other), EXTENSION.replace(SUFFIX, suffix): Path(EXTENSION)}
    assert Comparison(binaries=files, host=HOST, read=lambda path: PLAIN).findings() == []


def test_another_machine_is_refused() -> None:
    """An aarch64 library is not for x86-64."""
    assert "built for aarch64" in findings(replace(PLAIN, machine="aarch64"))


def test_a_newer_glibc_is_refused_with_version_and_library() -> None:
    """The message names the version wanted, the library and the one here."""
    found = findings(replace(PLAIN, glibc=(2, 39)))
    assert "GLIBC_2.39 of libc.so.6" in found
    assert "glibc 2.35" in found


def test_an_unknown_glibc_is_not_compared() -> None:
    """A musl system has none to compare."""
    assert findings(PLAIN, host=replace(HOST, glibc=(0, 0))) == ""


def test_another_cuda_major_is_refused_with_the_library(torch: Torch) -> None:
    """CUDA 13's runtime beside a torch of CUDA 12."""
    found = findings(replace(PLAIN, needed=("libcudart.so.13",)), host=replace(HOST, torch=torch))
    assert "libcudart.so.13" in found
    assert "CUDA 12.9" in found


def test_cuda_beside_a_torch_without_it_is_refused(torch: Torch) -> None:
    """A CPU build of torch brings no CUDA runtime."""
    host = replace(HOST, torch=replace(torch, cuda="", version="2.13.0+cpu"))
    assert "libcudart.so.12" in findings(replace(PLAIN, needed=("libcudart.so.12",)), host=host)


def test_a_symbol_that_torch_lacks_is_refused_with_symbol_and_library(torch: Torch) -> None:
    """`undefined symbol` is told before the write, not at the first import."""
    library = replace(NEEDS_TORCH, undefined=frozenset({SYMBOL, "_ZN3c104gone1fEv"}))
    found = findings(library, host=replace(HOST, torch=torch))
    assert "_ZN3c104gone1fEv" in found
    assert SYMBOL not in found
    assert "libc10.so" in found
    assert "torch 2.13.0+cu129" in found


def test_a_torch_library_that_is_not_there_is_refused(torch: Torch) -> None:
    """A CUDA extension beside a torch without libtorch_cuda.so."""
    library = replace(NEEDS_TORCH, needed=("libc10.so", "libtorch_cuda.so"))
    assert "needs libtorch_cuda.so" in findings(library, host=replace(HOST, torch=torch))


def test_another_torch_version_is_refused_even_where_all_symbols_are_there(torch: Torch) -> None:
    """C++ layouts change between versions: the wheel's own requirement counts."""
    host = replace(HOST, torch=torch)
    assert findings(NEEDS_TORCH, host=host, torch_requirement="torch==2.13.0") == ""
    assert "--any-torch" in findings(NEEDS_TORCH, host=host, torch_requirement="torch==2.11.0")


def test_the_stable_interface_of_torch_meets_any_version(torch: Torch) -> None:
    """aoti_torch_* symbols are kept across versions."""
    library = replace(NEEDS_TORCH, undefined=frozenset({"aoti_torch_one"}))
    host = replace(HOST, torch=torch)
    assert findings(library, host=host, torch_requirement="torch==2.11.0") == ""


def test_extensions_of_other_interpreters_are_not_read(torch: Torch) -> None:
    """Only what this interpreter would load has to load."""
    other = EXTENSION.replace(SUFFIX, ".cpython-39-x86_64-linux-gnu.so")
    files = {EXTENSION: Path("here"), other: Path("other")}

    def read(path: Path) -> Library:
        return PLAIN if path.name == "here" else replace(PLAIN, machine="aarch64")

    assert Comparison(binaries=files, host=HOST, read=read).findings() == []


def test_all_findings_come_in_one_error() -> None:
    """A user mends them together."""
    broken = replace(PLAIN, machine="aarch64")
    files = {EXTENSION: Path("a"), LIBRARY: Path("b")}
    with pytest.raises(IncompatibleError) as caught:
        Comparison(binaries=files, host=HOST, read=lambda path: broken).check()
    assert str(caught.value).count("built for aarch64") == 2
    assert "nothing was written" in str(caught.value)


def test_the_torch_that_a_wheel_asks_for_is_read_from_its_metadata() -> None:
    """Markers that do not apply are left out."""
    metadata = (
        "Metadata-Version: 2.1\nName: vllm\nRequires-Dist: torch==1.0; python_version < '3'\n"
        "Requires-Dist: numpy\nRequires-Dist: torch==2.11.0\n"
    )
    assert torch_requirement(metadata) == "torch==2.11.0"
    assert torch_requirement("Name: vllm\n") == ""


def test_torch_is_described_without_an_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Version, CUDA and libraries come from files."""
    (tmp_path / "torch" / "lib").mkdir(parents=True)
    (tmp_path / "torch" / "lib" / "libc10.so").touch()
    text = "from typing import Optional\ncuda: Optional[str] = '12.9'\n"
    (tmp_path / "torch" / "version.py").write_text(text)
    (tmp_path / "torch-2.11.0.dist-info").mkdir()
    (tmp_path / "torch-2.11.0.dist-info" / "METADATA").write_text("Name: torch\nVersion: 2.11.0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = Torch.installed()
    assert found is not None
    assert (found.version, found.cuda, list(found.libraries)) == ("2.11.0", "12.9", ["libc10.so"])
