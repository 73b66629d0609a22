"""One extension for one interpreter, of either source, in a miniature of the tree."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from tests.cmake.tree import Tree, lay_out
from tests.cmake.upstream import CXX, write_torch, write_upstream
from tools.build_deepgemm_C import ExtensionBuildError
from tools.errors import ToolError
from tools.interpreters.search import InterpreterUnusableError
from tools.upstream.checkout import NoUpstreamError
from tools.upstream.torch import NoTorchError

pytestmark = pytest.mark.skipif(CXX is None, reason="needs a C++ compiler on PATH")
EXTENSION = f"_C{sysconfig.get_config_var('EXT_SUFFIX')}"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    folder = tmp_path_factory.mktemp("one")
    write_upstream(folder / "DeepGEMM")
    write_torch(folder / "torch")
    return lay_out(folder)


def build(
    tree: Tree, source: Path, out: Path, target: str = sys.executable, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run the tool from elsewhere, as a user does."""
    script = str(tree.root / "tools" / "build_deepgemm_C.py")
    torch = {"DEEPGEMM_TORCH": str(tree.root.parent / "torch")}
    return subprocess.run(
        [sys.executable, script, str(source), str(out), target],
        cwd=out.parent,
        env={**tree.environ, **torch, **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_upstream_extension_is_brought_alone(tree: Tree, tmp_path: Path) -> None:
    """What the environment says of other sources is not asked; a second run finds no work."""
    source, out = tree.root.parent / "DeepGEMM", tmp_path / "out"
    steered = {"DEEPGEMM_SRC_DIR": "/nowhere", "DEEPGEMM_PYTHON_INTERPRETERS": "/nowhere"}
    done = build(tree, source, out, **steered)
    assert (done.returncode, done.stdout) == (0, f"{out / EXTENSION}\n"), done.stderr
    assert [file.name for file in out.iterdir()] == [EXTENSION]
    assert "no work to do" in build(tree, source, out).stderr


def test_our_own_extension_comes_with_its_library(tree: Tree, tmp_path: Path) -> None:
    """The extension is linked to it by name, beside it."""
    done = build(tree, tree.source, tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert {file.name for file in (tmp_path / "out").iterdir()} == {EXTENSION, "libdeep_gemm.so"}


def test_a_broken_one_gives_the_compilers_error_once_with_the_command(
    tree: Tree, tmp_path: Path
) -> None:
    """No traceback, and what was there before stays."""
    source = write_upstream(tmp_path / "DeepGEMM")
    (source / "csrc" / "jit" / "compiler.hpp").write_text('#error "asked for"\n')
    out = tmp_path / "out"
    out.mkdir()
    (out / EXTENSION).write_text("of before")
    done = build(tree, source, out)
    assert done.returncode == ExtensionBuildError.exit_code
    assert done.stderr.count('error: #error "asked for"') == 1
    assert "-DTORCH_EXTENSION_NAME=_C" in done.stderr
    assert "Traceback" not in done.stderr
    assert [(file.name, file.read_text()) for file in out.iterdir()] == [(EXTENSION, "of before")]


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"source": Path("/nowhere")}, NoUpstreamError),
        ({"target": "/nowhere/python3"}, InterpreterUnusableError),
        ({"DEEPGEMM_TORCH": "/nowhere"}, NoTorchError),
    ],
)
def test_what_is_not_there_is_said_before_anything_is_built(
    tree: Tree, tmp_path: Path, wrong: dict[str, Any], error: type[ToolError]
) -> None:
    """One line, and a code for each decision."""
    right = {"source": tree.root.parent / "DeepGEMM", "out": tmp_path / "out"}
    done = build(tree, **(right | wrong))
    assert done.returncode == error.exit_code
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()
