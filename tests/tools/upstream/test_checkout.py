"""What counts as an upstream checkout, and what its version says."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cmake.upstream import write_upstream
from tools.upstream.checkout import NoUpstreamError, Upstream

IDENTITY = ("-c", "user.name=n", "-c", "user.email=e@example.org")


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *IDENTITY, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_a_checkout_is_named_by_version_and_commit(tmp_path: Path) -> None:
    """A tarball has no commit, a folder inside of another checkout not that one's."""
    source = write_upstream(tmp_path / "outer" / "DeepGEMM")
    assert Upstream.read(source).mark == "2.5.0"
    git(tmp_path / "outer", "init", "-q")
    git(tmp_path / "outer", "commit", "-q", "--allow-empty", "-m", "another project")
    assert Upstream.read(source).mark == "2.5.0"
    git(source, "init", "-q")
    git(source, "add", "-A")
    git(source, "commit", "-qm", "all")
    assert Upstream.read(source).mark == f"2.5.0.g{git(source, 'rev-parse', 'HEAD')[:9]}"


def test_a_checkout_without_a_version_is_named_all_the_same(tmp_path: Path) -> None:
    """The commit is what counts."""
    source = write_upstream(tmp_path)
    (source / "deep_gemm" / "__init__.py").write_text("")
    assert Upstream.read(source).mark == "0"


@pytest.mark.parametrize(
    "part", ["csrc/python_api.cpp", "deep_gemm/__init__.py", "deep_gemm/include"]
)
def test_a_folder_that_lacks_a_part_is_refused(tmp_path: Path, part: str) -> None:
    """The message says which; an older DeepGEMM had no binding at all."""
    source = write_upstream(tmp_path / "DeepGEMM")
    gone = source / part
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    with pytest.raises(NoUpstreamError, match=f"found no {part}"):
        Upstream.read(source)


def test_a_checkout_that_registers_operators_with_torch_is_refused(tmp_path: Path) -> None:
    """Its extension has another name, and ours would hide the module that loads it."""
    source = write_upstream(tmp_path / "DeepGEMM")
    (source / "deep_gemm" / "_C.py").touch()
    with pytest.raises(NoUpstreamError, match=r"found deep_gemm/_C\.py.*pin\.txt"):
        Upstream.read(source)


@pytest.mark.parametrize("gone", [("third-party/fmt",), ("third-party/cutlass", "third-party/fmt")])
def test_missing_submodules_are_named_with_the_command(
    tmp_path: Path, gone: tuple[str, ...]
) -> None:
    """A clone without --recursive has empty folders there."""
    source = write_upstream(tmp_path / "DeepGEMM")
    for name in gone:
        shutil.rmtree(source / name)
        (source / name).mkdir()
    with pytest.raises(NoUpstreamError) as refused:
        Upstream.read(source)
    assert str(refused.value).endswith(f"git -C {source} submodule update --init {' '.join(gone)}")
