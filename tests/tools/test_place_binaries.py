"""The binaries of a wheel beside their Python files."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from tools.place_binaries import NoWheelError, newest, place

FOLDER = "vllm/third_party/deep_gemm"


def make_wheel(path: Path, **files: str) -> Path:
    """A wheel of shared objects and one source."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(f"{FOLDER}/{name}.so", text)
        archive.writestr(f"{FOLDER}/__init__.py", "of the wheel")
    return path


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout" / FOLDER
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("of the checkout")
    (folder / "stale.so").write_text("old")
    (folder / "_C.so").write_text("old")
    return tmp_path / "checkout"


def test_only_shared_objects_are_written_and_stale_ones_go(checkout: Path, tmp_path: Path) -> None:
    """A source of the checkout keeps its bytes; binaries are those of the wheel and no others."""
    wheel = make_wheel(tmp_path / "w.whl", _C="new", libdeep_gemm="new")
    place(wheel, checkout)
    contents = {file.name: file.read_text() for file in (checkout / FOLDER).iterdir()}
    assert contents == {"__init__.py": "of the checkout", "_C.so": "new", "libdeep_gemm.so": "new"}


def test_a_binary_that_is_mapped_keeps_its_bytes(checkout: Path, tmp_path: Path) -> None:
    """A new file takes the name; a process that opened the old one goes on with that."""
    with (checkout / FOLDER / "_C.so").open() as mapped:
        place(make_wheel(tmp_path / "w.whl", _C="new"), checkout)
        assert mapped.read() == "old"


def test_a_file_that_is_no_wheel_changes_nothing(checkout: Path, tmp_path: Path) -> None:
    """The error names it."""
    (tmp_path / "w.whl").write_text("no archive")
    with pytest.raises(NoWheelError, match=r"w\.whl: expected a wheel"):
        place(tmp_path / "w.whl", checkout)
    assert (checkout / FOLDER / "_C.so").read_text() == "old"


def test_the_newest_wheel_is_the_one_made_last(tmp_path: Path) -> None:
    """Names do not decide; where there is none the error says how to make one."""
    with pytest.raises(NoWheelError, match="nox -s build_deepgemm"):
        newest(tmp_path)
    for age, name in enumerate(("vllm_deepgemm-1.whl", "vllm_deepgemm-2.whl", "other-3.whl")):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (1000 - age, 1000 - age))
    assert newest(tmp_path).name == "vllm_deepgemm-1.whl"


def test_an_upstream_wheel_is_neither_taken_nor_placed(checkout: Path, tmp_path: Path) -> None:
    """Its extension fits upstream's Python files; the checkout has ours."""
    own = make_wheel(tmp_path / "vllm_deepgemm-0.1.0-cp310-abi3-any.whl", _C="new")
    other = make_wheel(tmp_path / "vllm_deepgemm-0.1.0+upstream.2.5.0-cp310-cp310-any.whl", _C="x")
    os.utime(own, (1, 1))
    assert newest(tmp_path) == own
    with pytest.raises(NoWheelError, match="install it instead"):
        place(other, checkout)
    assert (checkout / FOLDER / "_C.so").read_text() == "old"
