"""What a configure accepts, and what it refuses with a reason."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from tests.cmake.tree import Tree, lay_out, write_sources

FAKE_PYTHON = """\
#!/bin/sh
cat <<'JSON'
{json}
JSON
"""


@pytest.fixture(scope="module")
def laid_out(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    return lay_out(tmp_path_factory.mktemp("tree"))


@pytest.fixture
def tree(laid_out: Tree) -> Tree:
    """A miniature as it was laid out, without a cache; what CMake knows of the compiler is kept."""
    (laid_out.build / "CMakeCache.txt").unlink(missing_ok=True)
    write_sources(laid_out.source)
    return laid_out


def fake_python(folder: Path, soabi: str, error: str = "") -> Path:
    """An interpreter that answers the probe as another CPython would."""
    facts = {
        "soabi": soabi,
        "ext_suffix": f".{soabi}.so",
        "include": "/i",
        "platinclude": "/p",
        "error": error,
    }
    executable = folder / f"python-{soabi}"
    executable.write_text(FAKE_PYTHON.format(json=json.dumps(facts)))
    executable.chmod(0o755)
    return executable


def test_each_soabi_of_the_list_has_one_extension(tree: Tree, tmp_path: Path) -> None:
    """The environment names them, two of one SOABI count once, and the list is remembered."""
    (tmp_path / "again").mkdir()
    paths = [
        fake_python(tmp_path, "cpython-397"),
        fake_python(tmp_path, "cpython-398"),
        fake_python(tmp_path / "again", "cpython-397"),
    ]
    listed = os.pathsep.join(["", *map(str, paths), ""])
    done = tree.configure(DEEPGEMM_PYTHON_INTERPRETERS=listed)
    assert "interpreters    cpython-397, cpython-398, abi3" in done.stdout
    assert "interpreters    cpython-397, cpython-398, abi3" in tree.configure().stdout
    shorter = tree.configure(f"-DDEEPGEMM_PYTHON_INTERPRETERS={paths[1]}")
    assert "interpreters    cpython-398, abi3" in shorter.stdout
    targets = tree.ninja("-t", "targets", "all").stdout
    assert "_C.cpython-398.so" in targets
    assert "_C.cpython-397.so" not in targets


def test_an_empty_list_means_the_build_interpreter(tree: Tree) -> None:
    """Where nobody names interpreters, the one that runs the tools is the target."""
    done = tree.configure(f"-DVLLM_PYTHON_EXECUTABLE={sys.executable}")
    assert f"interpreters    {sys.implementation.cache_tag}" in done.stdout


def test_a_file_that_is_no_interpreter_is_refused(tree: Tree) -> None:
    """The message names the path and what to try."""
    done = tree.configure(DEEPGEMM_PYTHON_INTERPRETERS="/nowhere/python3")
    assert done.returncode != 0
    said = " ".join(done.stdout.split())
    assert "/nowhere/python3: expected a CPython with headers" in said
    assert "tools/setup_deepgemm_pythons.sh" in said


def test_an_interpreter_without_headers_is_refused(tree: Tree, tmp_path: Path) -> None:
    """What the probe found wrong is passed on."""
    python = fake_python(tmp_path, "cpython-399", error="no Python.h in /i")
    done = tree.configure(DEEPGEMM_PYTHON_INTERPRETERS=str(python))
    assert done.returncode != 0
    assert "no Python.h in /i" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    "row",
    [
        "DEEP_GEMM_CONFIG(a b, 1, 2)",
        "DEEP_GEMM_CONFIG(lonely)",
        "DEEP_GEMM_CONFIG(open, 1,",
        "DEEP_GEMM_CONFIG(short, 1)",
        "DEEP_GEM_CONFIG(misspelt, 1, 2)",
    ],
)
def test_a_row_that_cannot_be_read_is_refused(tree: Tree, row: str) -> None:
    """A table with a broken row configures nothing."""
    tree.edit("shared/gemm_configs.def", row)
    done = tree.configure()
    assert done.returncode != 0
    assert f"found: {row}" in " ".join(done.stdout.split())


def test_a_name_that_stands_twice_is_refused(tree: Tree) -> None:
    """Two rows cannot make one cubin."""
    tree.edit("shared/gemm_configs.def", "DEEP_GEMM_CONFIG(small, 32, 2)")
    done = tree.configure()
    assert done.returncode != 0
    assert "'gemm_small' is there twice" in " ".join(done.stdout.split())


def test_an_nvcc_that_is_too_old_is_refused(tree: Tree, tmp_path: Path) -> None:
    """CMake passes on what tools/toolchain says."""
    old = tmp_path / "nvcc"
    old.write_text("#!/bin/sh\necho release 12.4, V12.4.131\n")
    old.chmod(0o755)
    done = tree.configure(f"-DDEEPGEMM_NVCC={old}")
    assert done.returncode != 0
    assert "expected an nvcc of CUDA 12.8 or later" in " ".join(done.stdout.split())


def test_a_compiler_cache_is_used_where_there_is_one(tree: Tree, tmp_path: Path) -> None:
    """ccache stands before the compiler, unless the user chose otherwise."""
    cache = tmp_path / "ccache"
    cache.write_text('#!/bin/sh\nexec "$@"\n')
    cache.chmod(0o755)
    path = os.pathsep.join([str(tmp_path), tree.environ["PATH"]])
    assert f"compiler cache  {cache}" in tree.configure(PATH=path).stdout
    assert f"{cache} " in tree.ninja("-t", "commands", "all").stdout
    cache.unlink()
    assert "compiler cache  none" in tree.configure(PATH=path).stdout, "uninstalled since"
    cache.write_text('#!/bin/sh\nexec "$@"\n')
    cache.chmod(0o755)
    chosen = tree.configure("-DCMAKE_CXX_COMPILER_LAUNCHER=", PATH=path)
    assert "compiler cache  none" in chosen.stdout
