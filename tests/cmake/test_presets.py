"""The generated preset configures, builds and installs this tree, beside the other ways."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cmake.tree import Tree, lay_out
from tools.interpreters.probe import find_base

GENERATE = (sys.executable, "tools/generate_cmake_presets.py", "--no-input")
FOLDER = Path("vllm/third_party/deep_gemm")


def run(tree: Tree, *command: str, code: int = 0) -> str:
    """Run a command in the miniature and return what it says."""
    done = subprocess.run(
        command,
        cwd=tree.root,
        env=tree.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout
    return done.stdout


def incremental(tree: Tree, *arguments: str, code: int = 0) -> str:
    return run(tree, sys.executable, "-m", "tools.incremental", *arguments, code=code)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """A miniature in git, taken through the four documented commands."""
    tree = lay_out(tmp_path_factory.mktemp("tree"))
    (tree.root / ".gitignore").write_text("/build/\nCMakeUserPresets.json\n*.so\n")
    run(tree, "git", "init", "-q", "-b", "main")
    run(tree, "git", "add", "-A")
    identity = ("-c", "user.name=n", "-c", "user.email=e@example.org")
    run(tree, "git", *identity, "commit", "-qm", "all")
    run(tree, *GENERATE)
    said = run(tree, "cmake", "--preset", "release")
    assert "Warning" not in said
    run(tree, "cmake", "--build", "--preset", "release", "--target", "install")
    return tree


def test_binaries_are_installed_beside_their_python_files(installed: Tree) -> None:
    """In the checkout, at no doubled path, and nowhere else."""
    build = installed.root / "build"
    found = {
        file.relative_to(installed.root)
        for file in installed.root.rglob("*.so")
        if build not in file.parents
    }
    assert {file.parent for file in found} == {FOLDER, Path("vllm")}
    assert Path("vllm/_C.abi3.so") in found
    assert FOLDER / "_C.abi3.so" in found


def test_the_other_way_of_building_finds_no_work(installed: Tree) -> None:
    """`pip install -e .` configures `default` in the same folder: nothing is made again."""
    configured = installed.configure(
        f"-DVLLM_PYTHON_EXECUTABLE={find_base(sys.executable)}",
        f"-DDEEPGEMM_NVCC={installed.root.parent / 'tools' / 'nvcc'}",
        "-DDEEPGEMM_PYTHON_INTERPRETERS=",
    )
    assert configured.returncode == 0, configured.stdout
    assert "no work to do" in installed.ninja().stdout
    run(installed, "cmake", "--preset", "release")
    assert "no work to do" in installed.ninja().stdout


def test_nvcc_runs_in_its_own_pool(installed: Tree) -> None:
    """Memory bounds nvcc, not only processors."""
    edges = (installed.build / "build.ninja").read_text().split("\nbuild ")
    pooled = [edge for edge in edges if "pool = cuda" in edge]
    kernels = len(list((installed.root / "csrc" / "ops" / "cuda").glob("*.cu")))
    assert len(pooled) == 2 + kernels
    assert len([edge for edge in pooled if "-cubin" in edge]) == 2


def test_an_edited_file_builds_its_target_alone(installed: Tree) -> None:
    """`affected` names what ninja then makes; the build folder of CMake is the only state."""
    installed.edit("device/mainloop.cuh", "// edited")
    said = json.loads(incremental(installed, "affected", "--json"))
    assert [effect["file"] for effect in said] == ["csrc/deep_gemm/device/mainloop.cuh"]
    assert said[0]["targets"] == ["deep_gemm"]
    names = {Path(output).name for output in said[0]["outputs"]}
    outputs = {name for name in names if not name.endswith(".txt")}  # reports beside cubins
    incremental(installed, "build", "gemm_small")
    made = installed.rebuilt()
    assert made | {"gemm_small.cubin"} == outputs
    assert "gemm_small.cubin" not in made
    run(installed, "git", "checkout", "-q", ".")
    installed.rebuilt()


def test_affected_says_why_a_file_makes_nothing(installed: Tree) -> None:
    """A Python file, a source that no target has, an input of the configure step."""
    (installed.root / "note.py").touch()
    (installed.source / "host" / "new.cpp").touch()
    cmake = installed.root / "CMakeLists.txt"
    cmake.write_text(cmake.read_text() + "# edited\n")
    said = incremental(installed, "affected")
    run(installed, "git", "checkout", "-q", ".")
    run(installed, "git", "clean", "-qfd")
    assert "note.py: nothing to build" in said
    assert "host/new.cpp: no target knows it" in said
    assert "CMakeLists.txt: an input of the configure step" in said
    assert "no file changed" in incremental(installed, "affected")
    commit = ("-c", "user.name=n", "-c", "user.email=e@example.org", "commit", "-qm", "empty")
    run(installed, "git", *commit, "--allow-empty")
    assert "no file changed" in incremental(installed, "affected", "--diff", "HEAD~1..HEAD")
    assert "--diff A..B" in incremental(installed, "affected", "--diff", "no..where", code=83)


def test_a_target_that_is_not_there_is_answered_by_its_neighbours(installed: Tree) -> None:
    """Exit code 82 and the nearest names."""
    said = incremental(installed, "build", "gemm_smal", code=82)
    assert "gemm_small" in said
    assert "--target deep_gemm_abi3" in incremental(
        installed, "build", "deep_gemm_abi3", "--dry-run"
    )


def test_a_build_configures_again_where_its_cmake_is_gone(installed: Tree) -> None:
    """An isolated build has left the folder to us, and its own cmake nowhere."""
    assert "--preset release\n" not in incremental(installed, "build", "--dry-run")
    cache = installed.root / "build" / "cmake" / "CMakeCache.txt"
    before = cache.read_text()
    cache.write_text(re.sub(r"(?m)^(CMAKE_COMMAND:INTERNAL=).*", r"\1/gone/bin/cmake", before))
    said = incremental(installed, "build", "--dry-run")
    cache.write_text(before)
    assert "+ cmake --preset release\n+ cmake --build" in said


def test_stale_says_what_changed_and_what_is_due(installed: Tree) -> None:
    """Another nvcc in the same place: a configure is due, and it makes the cubins again."""
    run(installed, "cmake", "--preset", "release")
    installed.rebuilt()
    assert "current" in incremental(installed, "stale")
    nvcc = installed.root.parent / "tools" / "nvcc"
    before = nvcc.read_text()
    nvcc.write_text(before.replace("V13.0.88", "V13.0.99"))
    said = incremental(installed, "stale", code=80)
    assert "nvcc: release 13.0, V13.0.88 -> release 13.0, V13.0.99 (configure)" in said
    assert installed.rebuilt() == set()
    configured = run(installed, "cmake", "--preset", "release")
    assert "Changed since the last configure" in configured
    made = {"gemm_small.cubin", "gemm_large.cubin", "deep_gemm_cubins.S.o"}
    kernels = (installed.root / "csrc" / "ops" / "cuda").glob("*.cu")
    # Limit: files are told by name, and two extensions are called _C.abi3.so.
    made |= {f"{kernel.name}.o" for kernel in kernels} | {"libdeep_gemm.so", "_C.abi3.so"}
    assert installed.rebuilt() | {"_C.abi3.so"} == made
    assert "current" in incremental(installed, "stale")
    nvcc.write_text(before)


def test_a_compiler_replaced_in_its_place_needs_a_clean_build_until_there_is_one(
    tmp_path: Path,
) -> None:
    """A configure alone does not make objects new; the record keeps saying so until --fresh."""
    tree = lay_out(tmp_path)
    compiler = tmp_path / "tools" / "c++"
    script = '#!/bin/sh\n[ "$1" = --version ] && echo {} && exit\nexec g++ "$@"\n'
    compiler.write_text(script.format("one"))
    compiler.chmod(0o755)
    run(tree, *GENERATE)
    run(tree, "cmake", "--preset", "release", f"-DCMAKE_CXX_COMPILER={compiler}")
    compiler.write_text(script.format("two"))
    for _ in range(2):
        assert "clean build is due" in run(tree, "cmake", "--preset", "release")
        said = incremental(tree, "stale", code=80)
        assert "compiler: one -> two (clean)" in said
        assert "cmake --fresh --preset release" in said
    fresh = ("--fresh", "--preset", "release", f"-DCMAKE_CXX_COMPILER={compiler}")
    assert "clean build is due" not in run(tree, "cmake", *fresh)
    assert "current" in incremental(tree, "stale")


def test_without_nvcc_the_cpu_parts_configure_build_and_install(tmp_path: Path) -> None:
    """The same four commands; what is left out is said; afterwards a wheel is no CPU wheel."""
    tree = lay_out(tmp_path)
    nvcc = tmp_path / "tools" / "nvcc"
    hidden = nvcc.rename(tmp_path / "nvcc")
    blind = "import tools.generate_cmake_presets as g; g.find_toolkit = lambda *_, **__: None"
    run(tree, sys.executable, "-c", f"{blind}; g.main(['--no-input'])")
    run(tree, "cmake", "--preset", "release")
    said = run(tree, "cmake", "--build", "--preset", "release", "--target", "install")
    assert "DeepGEMM: left out" in said
    hidden.rename(nvcc)
    assert "cubins          2" in tree.configure().stdout


def test_a_folder_that_was_never_configured_says_what_to_run(tmp_path: Path) -> None:
    """No traceback of a missing file."""
    tree = lay_out(tmp_path)
    assert "cmake --preset release" in incremental(tree, "stale", code=81)
    run(tree, "git", "init", "-q")
    assert "cmake --preset release" in incremental(tree, "affected", code=81)
