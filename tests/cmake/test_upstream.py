"""An upstream checkout through our CMake files: what is compiled, when again, where it may go."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.cmake.tree import Tree, lay_out
from tests.cmake.upstream import CXX, HEADERS, configure, stale, write_torch, write_upstream
from tools.interpreters import find_interpreters
from tools.upstream.torch import NoTorchError, Torch
from tools.wheel.binaries import check_binaries, read_binaries
from tools.wheel.contents import Contents
from tools.wheel.extensions import expected_soabis
from tools.wheel.policy import UPSTREAM

pytestmark = pytest.mark.skipif(CXX is None, reason="needs a C++ compiler on PATH")
SOABI = sysconfig.get_config_var("SOABI")
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")
PACKAGE = Path("vllm/third_party/deep_gemm")
MADE = {f"deep_gemm_{SOABI}.dir/python_api.cpp.o", f"_C{SUFFIX}"}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """A miniature that has built a little checkout for this interpreter; tests leave it built."""
    folder = tmp_path_factory.mktemp("upstream")
    laid_out = lay_out(folder)
    write_upstream(folder / "DeepGEMM")
    write_torch(folder / "torch")
    configure(laid_out, folder / "DeepGEMM", folder / "torch", Path(sys.executable))
    made = laid_out.ninja()
    assert made.returncode == 0, made.stdout
    return laid_out


@pytest.fixture
def source(tree: Tree) -> Path:
    return tree.root.parent / "DeepGEMM"


def install(tree: Tree, prefix: Path) -> subprocess.CompletedProcess[str]:
    command = ["cmake", "--install", str(tree.build), "--component", "_deep_gemm_C"]
    return subprocess.run(
        [*command, "--prefix", str(prefix)],
        env=tree.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("header", HEADERS)
def test_a_header_makes_the_extension_again_and_nothing_else(
    tree: Tree, source: Path, header: str
) -> None:
    """Of DeepGEMM, CUTLASS and fmt alike: the compiler says what it read."""
    assert stale(tree) == set()
    file = source / header
    file.write_text(file.read_text() + "// touched\n")
    assert stale(tree) == MADE
    assert tree.rebuilt() == {"python_api.cpp.o", f"_C{SUFFIX}"}


def test_a_file_that_the_binding_does_not_read_makes_nothing(tree: Tree, source: Path) -> None:
    """A Python file is installed, a header that no unit includes is not compiled."""
    for name in ("deep_gemm/utils/__init__.py", "third-party/cutlass/include/cute/layout.hpp"):
        (source / name).write_text("// touched\n" if name.endswith("hpp") else "")
    assert "no work to do" in tree.ninja().stdout


def test_another_torch_makes_the_extension_again(tree: Tree) -> None:
    """Unpacked over the old one, its headers may be older than the object."""
    folder = tree.root.parent / "torch"
    version = (folder / "version.py").read_text()
    (folder / "version.py").write_text(version.replace("2.99.0", "2.98.0"))
    assert tree.configure().returncode == 0
    assert stale(tree) >= MADE
    (folder / "version.py").write_text(version)
    assert tree.configure().returncode == 0
    assert "no work to do" in tree.ninja().stdout


def test_the_abi_of_its_strings_is_that_of_the_torch(tree: Tree, tmp_path: Path) -> None:
    """Another would not link, or crash."""
    source, torch = tree.root.parent / "DeepGEMM", tree.root.parent / "torch"
    for folder, abi in ((write_torch(tmp_path / "torch", cxx11_abi=0), 0), (torch, 1)):
        configure(tree, source, folder, Path(sys.executable))
        commands = tree.ninja("-t", "commands", "all").stdout
        assert f"-D_GLIBCXX_USE_CXX11_ABI={abi}" in commands


def test_the_commands_are_those_that_upstream_asks_for(tree: Tree) -> None:
    """The name of the module, C++20, a depfile, and a pool that memory bounds."""
    commands = tree.ninja("-t", "commands", "all").stdout.splitlines()
    (compile_,) = [line for line in commands if line.endswith("csrc/python_api.cpp")]
    for wanted in ("-DTORCH_EXTENSION_NAME=_C", "-std=c++20", "-MD"):
        assert wanted in compile_
    rules = (tree.build / "CMakeFiles" / "rules.ninja").read_text()
    assert re.search(r"pool deepgemm_upstream\n\s+depth = [12]\n", rules)
    edges = (tree.build / "build.ninja").read_text().split("\nbuild ")
    pooled = [edge for edge in edges if "pool = deepgemm_upstream" in edge]
    assert any("python_api.cpp.o" in edge for edge in pooled)


def test_the_pools_of_presets_stay(tree: Tree) -> None:
    """A pool more is no reason to lose theirs."""
    done = tree.configure("-DCMAKE_JOB_POOLS=compile=3;link=1")
    assert done.returncode == 0, done.stdout
    rules = (tree.build / "CMakeFiles" / "rules.ninja").read_text()
    assert {"compile", "link", "deepgemm_upstream"} <= set(re.findall(r"^pool (\w+)", rules, re.M))


def test_a_person_may_name_another_number_of_compiles(tree: Tree) -> None:
    """On a machine whose memory is known better."""
    tree.configure("-DDEEPGEMM_UPSTREAM_JOBS=5")
    rules = (tree.build / "CMakeFiles" / "rules.ninja").read_text()
    assert re.search(r"pool deepgemm_upstream\n\s+depth = 5\n", rules)
    tree.configure("-UDEEPGEMM_UPSTREAM_JOBS")


def test_a_compiler_cache_stands_before_the_compiler(tree: Tree, tmp_path: Path) -> None:
    """The same rule as for our own sources."""
    cache = tmp_path / "ccache"
    cache.write_text('#!/bin/sh\nexec "$@"\n')
    cache.chmod(0o755)
    tree.configure(PATH=os.pathsep.join([str(tmp_path), tree.environ["PATH"]]))
    commands = tree.ninja("-t", "commands", "all").stdout
    assert re.search(rf"{cache} \S+ .*csrc/python_api\.cpp", commands)
    tree.configure("-UDEEPGEMM_COMPILER_CACHE")


def test_a_package_is_installed_with_its_headers_and_a_generated_envs(
    tree: Tree, tmp_path: Path
) -> None:
    """Python files, what the JIT includes, and no setting of the building machine."""
    done = install(tree, tmp_path)
    assert done.returncode == 0, done.stdout
    package = tmp_path / PACKAGE
    found = {str(file.relative_to(package)) for file in package.rglob("*") if file.is_file()}
    assert found == {
        "__init__.py",
        f"_C{SUFFIX}",
        "envs.py",
        "include/cute/layout.hpp",
        "include/cutlass/cutlass.h",
        "include/deep_gemm/gemm.cuh",
        "utils/__init__.py",
    }
    settings: dict[str, object] = {}
    exec((package / "envs.py").read_text(), settings)
    assert settings["persistent_envs"] == {}


def test_an_install_into_the_checkout_is_refused(tree: Tree, tmp_path: Path) -> None:
    """Upstream's __init__.py has the name of ours; also by a link, and in another git checkout."""
    folder = tree.root / PACKAGE
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("ours")
    (tmp_path / "link").symlink_to(tree.root)
    foreign = tmp_path / "foreign" / PACKAGE
    foreign.mkdir(parents=True)
    (foreign / "__init__.py").write_text("ours")
    for command in (["init", "-q"], ["add", "-A"]):
        subprocess.run(["git", *command], cwd=tmp_path / "foreign", check=True)
    for prefix in (tree.root, tmp_path / "link", tmp_path / "foreign"):
        done = install(tree, prefix)
        assert done.returncode != 0
        assert "would be written over source-controlled ones" in " ".join(done.stdout.split())
        assert [file.name for file in (prefix / PACKAGE).iterdir()] == ["__init__.py"]
        assert (prefix / PACKAGE / "__init__.py").read_text() == "ours"


def test_what_the_compiler_says_stands_there_with_its_command(tree: Tree, source: Path) -> None:
    """Once, as it was said."""
    binding = source / "csrc" / "python_api.cpp"
    text = binding.read_text()
    binding.write_text(text + '#error "asked for"\n')
    failed = tree.ninja()
    binding.write_text(text)
    assert failed.returncode != 0
    assert failed.stdout.count('error: #error "asked for"') == 1
    assert re.search(r"-o \S+python_api\.cpp\.o -c \S+/csrc/python_api\.cpp", failed.stdout)
    assert tree.ninja().returncode == 0


def test_missing_submodules_are_named_with_the_command(tree: Tree, tmp_path: Path) -> None:
    """Before anything is compiled."""
    source = write_upstream(tmp_path / "DeepGEMM")
    (source / "third-party/fmt/include/fmt/format.h").unlink()
    (source / "third-party/fmt/include/fmt").rmdir()
    done = tree.configure(DEEPGEMM_SRC_DIR=str(source))
    assert done.returncode != 0
    said = " ".join(done.stdout.split())
    assert "submodule update --init third-party/fmt" in said
    tree.configure(DEEPGEMM_SRC_DIR=str(tree.root.parent / "DeepGEMM"))


def test_our_own_sources_are_built_again_where_no_checkout_is_named(tree: Tree) -> None:
    """The folder is one for both; the empty definition of a wheel's build forgets the other."""
    done = tree.configure("-DDEEPGEMM_SRC_DIR=")
    assert f"interpreters    {SOABI}, abi3" in done.stdout
    tree.configure(DEEPGEMM_SRC_DIR=str(tree.root.parent / "DeepGEMM"))


def test_the_real_torch_serves_every_interpreter(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """One torch's headers, each CPython's own; the extension of torch's own CPython imports."""
    try:
        torch = Torch.find()
    except NoTorchError as error:
        pytest.skip(str(error))
    found = find_interpreters(("3.10", "3.11", "3.12", "3.13"), requires_python=">=3.10,<3.14")
    folder = tmp_path_factory.mktemp("real")
    tree = lay_out(folder)
    pythons = [python.executable for python in found.found]
    configure(tree, write_upstream(folder / "DeepGEMM"), torch.folder, *pythons)
    made = tree.ninja()
    assert made.returncode == 0, made.stdout
    assert install(tree, folder / "stage").returncode == 0
    package = folder / "stage" / PACKAGE
    names = {file.name for file in package.glob("*.so")}
    assert names == {f"_C{python.ext_suffix}" for python in found.found}

    files = {str(PACKAGE / name): (package / name).read_bytes() for name in names}
    contents = Contents(subject="stage", kind="checkout", files=files, dist_info=None)
    binaries, unreadable = read_binaries(contents, UPSTREAM)
    minors = tuple((3, int(python.series[2:])) for python in found.found)
    faults = check_binaries(binaries, UPSTREAM, expected_soabis(UPSTREAM, minors))
    assert [*unreadable, *faults] == []

    file = folder / "DeepGEMM" / HEADERS[0]
    file.write_text(file.read_text() + "// touched\n")
    objects = {f"deep_gemm_{python.soabi}.dir/python_api.cpp.o" for python in found.found}
    assert stale(tree) == objects | names

    if torch.serves(SUFFIX) and f"_C{SUFFIX}" in names:
        script = "import torch, vllm.third_party.deep_gemm as d; print(d.device)"
        path = {"PYTHONPATH": str(folder / "stage")}
        said = subprocess.run(
            [sys.executable, "-c", script],
            cwd=folder,
            env={**tree.environ, **path},
            capture_output=True,
            text=True,
            check=True,
        )
        assert said.stdout == "cpu\n"
