"""What setup.py makes of the tree: the same wheel of the same sources, a source distribution."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.cmake.tree import ROOT, Tree, lay_out
from tests.cmake.upstream import write_torch, write_upstream
from tools.toolchain.wheels import unpacked
from tools.wheel.audit import audit_wheel

PACKED = (
    "setup.py",
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "MANIFEST.in",
    "CHANGELOG.md",
    "vllm",
)


def checkout(folder: Path) -> Tree:
    """A miniature with all that setuptools packs."""
    folder.mkdir(parents=True)
    tree = lay_out(folder)
    ignored = shutil.ignore_patterns("*.so", "__pycache__")
    for name in PACKED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tree.root / name, ignore=ignored)
        else:
            shutil.copy2(ROOT / name, tree.root / name)
    return tree


def build(tree: Tree, command: str, **environ: str) -> Path:
    """Build a distribution through setuptools' backend, in this environment, and return it."""
    script = f"from setuptools import build_meta; build_meta.build_{command}('dist')"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tree.root,
        env={**tree.environ, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    (made,) = (tree.root / "dist").iterdir()
    return made


def without(program: str, path: str, folder: Path) -> str:
    """A PATH with everything that is on another one but this program."""
    folder.mkdir()
    for file in (file for part in path.split(os.pathsep) for file in sorted(Path(part).glob("*"))):
        if file.name != program and not (folder / file.name).is_symlink():
            (folder / file.name).symlink_to(file)
    return str(folder)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    return checkout(tmp_path_factory.mktemp("setup") / "first")


def test_the_same_sources_give_the_same_wheel_in_another_folder(tree: Tree, tmp_path: Path) -> None:
    """Neither the folder nor the time of the build is in its bytes."""
    first = build(tree, "wheel", SOURCE_DATE_EPOCH="1700000000")
    other = checkout(tmp_path / "a" / "longer" / "folder")
    for file in other.root.rglob("*"):
        os.utime(file, (1, 1))
    second = build(other, "wheel", SOURCE_DATE_EPOCH="1700000000")
    assert first.name == second.name
    assert first.read_bytes() == second.read_bytes()


def test_a_wheel_holds_what_is_built_now_and_nothing_left_over(tree: Tree) -> None:
    """The tag is that of any CPython from 3.10 on; an earlier build's files are not packed."""
    for wheel in (tree.root / "dist").glob("*"):
        wheel.unlink()
    (leftover,) = (tree.root / "build").glob("lib.*")
    (leftover / "vllm" / "gone.py").touch()
    interrupted = tree.root / "build" / f"bdist.{leftover.name.split('.')[1].rpartition('-cp')[0]}"
    (interrupted / "wheel" / "vllm").mkdir(parents=True)
    (interrupted / "wheel" / "vllm" / "gone.py").touch()
    placed = tree.root / "vllm" / "third_party" / "deep_gemm" / "_C.cpython-39.so"
    placed.touch()
    wheel = build(tree, "wheel")
    placed.unlink()
    assert wheel.name.startswith("vllm_deepgemm-0.1.0-cp310-abi3-manylinux_2_")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        dates = {info.date_time for info in archive.infolist()}
    assert "vllm/gone.py" not in names
    assert f"vllm/third_party/deep_gemm/{placed.name}" not in names
    assert "vllm/third_party/deep_gemm/_C.abi3.so" in names
    assert not [name for name in names if name.startswith(("tools", "tests", "csrc"))]
    metadata = {name.partition("/")[2] for name in names if ".dist-info/" in name}
    assert {"licenses/LICENSE", "sboms/vllm-deepgemm.cdx.json"} <= metadata
    assert dates == {(1980, 1, 1, 0, 0, 0)}, "outside of git and without SOURCE_DATE_EPOCH"


def test_an_editable_build_has_the_operators_and_a_wheel_has_not(tree: Tree) -> None:
    """They are for the checkout, where its environment has torch; the wheel's build needs none."""
    for made in (tree.root / "dist").glob("*"):
        made.unlink()
    build(tree, "editable").unlink()
    operators = tree.root / "vllm" / "_C.abi3.so"
    assert operators.is_file()
    wheel = build(tree, "wheel")
    for placed in (tree.root / "vllm").rglob("*.so"):
        placed.unlink()
    with zipfile.ZipFile(wheel) as archive:
        assert "vllm/_C.abi3.so" not in archive.namelist()


def test_the_build_folder_remembers_no_isolated_environment(tree: Tree) -> None:
    """Its ninja and its python are gone when the next configure starts."""
    cache = (tree.build / "CMakeCache.txt").read_text()
    assert "CMAKE_MAKE_PROGRAM:STRING=ninja\n" in cache
    assert f"VLLM_PYTHON_EXECUTABLE:UNINITIALIZED={sys.prefix}/" not in cache
    assert "VLLM_PYTHON_EXECUTABLE:UNINITIALIZED=/" in cache


def test_a_checkout_that_was_copied_with_its_build_folder_builds(
    tree: Tree, tmp_path: Path
) -> None:
    """CMake starts afresh there; what was compiled by relative paths stays."""
    shutil.copytree(tree.root, tmp_path / "copy", ignore=shutil.ignore_patterns("dist"))
    copied = Tree(root=tmp_path / "copy", environ=tree.environ)
    build(copied, "wheel")
    assert (
        f"CMAKE_HOME_DIRECTORY:INTERNAL={copied.root}\n"
        in (copied.build / "CMakeCache.txt").read_text()
    )


def test_a_source_distribution_holds_what_a_build_needs(tree: Tree, tmp_path: Path) -> None:
    """A wheel can be built from it: every file that the build reads is in it."""
    for wheel in (tree.root / "dist").glob("*"):
        wheel.unlink()
    archive = build(tree, "sdist")
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path, filter="data")
    (unpacked,) = tmp_path.iterdir()
    for folder in ("cmake", "csrc", "tools", "vllm"):
        wanted = {
            file.relative_to(tree.root)
            for file in (tree.root / folder).rglob("*")
            if file.is_file()
        }
        found = {
            file.relative_to(unpacked) for file in (unpacked / folder).rglob("*") if file.is_file()
        }
        assert {file for file in wanted if file.suffix != ".pyc"} == found
    again = Tree(root=unpacked, environ=tree.environ)
    no_git = without("git", tree.environ["PATH"], tmp_path / "bin")
    assert build(again, "wheel", PATH=no_git).name.endswith(".whl")


def test_the_wheels_of_a_toolkit_are_required_only_where_there_is_none(
    tree: Tree, tmp_path: Path
) -> None:
    """A frontend asks before it makes the isolated environment."""
    script = "from setuptools import build_meta; print(build_meta.get_requires_for_build_wheel())"
    without = os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"])
    if any(nvcc.exists() for nvcc in unpacked(tree.root)):
        pytest.skip("needs an environment without nvcc's wheels, found them here")
    for path, expected in ((tree.environ["PATH"], False), (without, True)):
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=tree.root,
            env={**tree.environ, "PATH": path},
            capture_output=True,
            text=True,
            check=True,
        )
        assert ("nvidia-cuda-nvcc==" in done.stdout.splitlines()[-1]) is expected


@pytest.fixture(scope="module")
def upstream(tree: Tree) -> dict[str, str]:
    """The environment that names a little upstream checkout and its torch."""
    folder = tree.root.parent
    return {
        "DEEPGEMM_SRC_DIR": str(write_upstream(folder / "DeepGEMM")),
        "DEEPGEMM_TORCH": str(write_torch(folder / "torch")),
    }


def test_an_upstream_checkout_gives_a_wheel_of_its_own_kind(
    tree: Tree, upstream: dict[str, str]
) -> None:
    """Its Python files in the place of ours, its torch and its one CPython in the metadata."""
    for wheel in (tree.root / "dist").glob("*"):
        wheel.unlink()
    wheel = build(tree, "wheel", **upstream)
    python = f"cp3{sys.version_info[1]}"
    assert wheel.name.startswith(f"vllm_deepgemm-0.1.0+upstream.2.5.0-{python}-{python}-manylinux")
    with zipfile.ZipFile(wheel) as archive:
        names = {name.rpartition("/")[2] for name in archive.namelist() if "deep_gemm/" in name}
    assert {"envs.py", "cutlass.h", "__init__.py"} <= names
    assert not {"gemm.py", "settings.py", "libdeep_gemm.so", "_C.abi3.so"} & names
    report = audit_wheel(wheel)
    # The stand-in's library has no version of torch's other parts to need.
    assert [str(finding) for finding in report.findings] == []
    assert report.torch == "2.99.0"
    assert [service.python for service in report.services] == [f"3.{sys.version_info[1]}"]
    wheel.unlink()


def test_an_upstream_checkout_is_not_installed_into_the_checkout(
    tree: Tree, upstream: dict[str, str]
) -> None:
    """An editable install would leave upstream's __init__.py where git has ours."""
    face = tree.root / "vllm" / "third_party" / "deep_gemm" / "__init__.py"
    before = face.read_bytes()
    done = subprocess.run(
        [sys.executable, "setup.py", "build_ext", "--inplace"],
        cwd=tree.root,
        env={**tree.environ, **upstream},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "over source-controlled ones of the same names" in done.stderr
    assert face.read_bytes() == before
    assert not list(face.parent.glob("_C.*.so"))
