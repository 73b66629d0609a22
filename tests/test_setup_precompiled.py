"""What setup.py makes of the tree where VLLM_USE_PRECOMPILED asks for a wheel's binaries."""

from __future__ import annotations

import subprocess
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.cmake.tree import Tree
from tests.test_setup import build, checkout
from tests.tools.precompiled.wheels import make_wheel

LIBRARY = "vllm/third_party/deep_gemm/libone.so"
FACE = "vllm/third_party/deep_gemm/__init__.py"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """A miniature of the checkout, without git: an unpacked source archive."""
    return checkout(tmp_path / "tree")


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    """A wheel with one real library and a copy of a source file, and a cache."""
    library = tmp_path / "libone.so"
    command = ["g++", "-shared", "-fPIC", "-x", "c++", "-", "-o", str(library)]
    subprocess.run(command, input="int one() { return 1; }", text=True, check=True)
    wheel = make_wheel(tmp_path / "wheels", {LIBRARY: library.read_bytes(), FACE: b"theirs\n"})
    return {
        "VLLM_USE_PRECOMPILED": "1",
        "VLLM_PRECOMPILED_WHEEL_LOCATION": str(wheel),
        "VLLM_PRECOMPILED_CACHE": str(tmp_path / "cache"),
    }


def test_a_wheel_holds_the_precompiled_binaries_and_our_sources(
    tree: Tree, settings: dict[str, str]
) -> None:
    """Nothing is compiled; version and tag promise no more than what is known."""
    made = build(tree, "wheel", **settings)
    version = (tree.root / "VERSION").read_text().strip()
    platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    assert f"-{version}+precompiled-cp" in made.name
    assert made.name.endswith(f"{platform}.whl")
    with zipfile.ZipFile(made) as archive:
        assert LIBRARY in archive.namelist()
        assert archive.read(FACE) == (tree.root / FACE).read_bytes()
    assert not (tree.root / "build" / "cmake").exists()


def test_a_wheel_holds_binaries_that_were_in_the_checkout_before(
    tree: Tree, settings: dict[str, str]
) -> None:
    """The same bytes from a build here are nothing to install, and still belong into the wheel."""
    with zipfile.ZipFile(settings["VLLM_PRECOMPILED_WHEEL_LOCATION"]) as archive:
        archive.extract(LIBRARY, tree.root)
    with zipfile.ZipFile(build(tree, "wheel", **settings)) as archive:
        assert LIBRARY in archive.namelist()


def test_an_editable_install_puts_them_beside_their_python_files(
    tree: Tree, settings: dict[str, str]
) -> None:
    """The checkout has the binary, and keeps its own source file."""
    before = (tree.root / FACE).read_bytes()
    assert "+precompiled" in build(tree, "editable", **settings).name
    assert (tree.root / LIBRARY).is_file()
    assert (tree.root / FACE).read_bytes() == before


def test_a_wheel_that_is_not_there_is_one_line(tree: Tree, settings: dict[str, str]) -> None:
    """setup.py ends with the error's own words, not with a traceback."""
    settings["VLLM_PRECOMPILED_WHEEL_LOCATION"] = "/nowhere/vllm-1-py3-none-any.whl"
    with pytest.raises(AssertionError) as caught:
        build(tree, "editable", **settings)
    said = str(caught.value)
    assert "error: /nowhere/vllm-1-py3-none-any.whl: expected a wheel" in said
    assert "Traceback" not in said.partition("error: /nowhere")[2]
