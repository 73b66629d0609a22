"""The toolkit from wheels: one release, and a path that outlives its environment."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tools.toolchain.wheels import FOLDER, KEPT, REQUIREMENTS, keep, unpacked


def test_all_wheels_are_pinned_to_one_minor_release() -> None:
    """nvcc's own requirements are open above and would mix minors."""
    assert all("==" in requirement for requirement in REQUIREMENTS)
    minors = {requirement.partition("==")[2].rpartition(".")[0] for requirement in REQUIREMENTS}
    assert minors == {"13.0"}


def test_a_toolkit_of_an_environment_is_kept_in_the_build_folder(tmp_path: Path) -> None:
    """The same bytes under a path that the next isolated environment does not change."""
    nvcc = tmp_path / "environment" / FOLDER / "bin" / "nvcc"
    nvcc.parent.mkdir(parents=True)
    nvcc.write_text("compiler")
    kept = keep(tmp_path, nvcc)
    assert kept == tmp_path / KEPT / "bin" / "nvcc"
    assert kept.samefile(nvcc)
    nvcc.unlink()
    assert keep(tmp_path, kept).read_text() == "compiler"
    assert [path.name for path in kept.parents[2].iterdir()] == [KEPT.name]


def test_it_is_copied_where_it_cannot_be_linked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Environment and checkout may lie on two file systems."""

    def refuse(*_: object) -> None:
        raise OSError("cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    nvcc = tmp_path / "environment" / FOLDER / "bin" / "nvcc"
    nvcc.parent.mkdir(parents=True)
    nvcc.write_text("compiler")
    assert keep(tmp_path, nvcc).read_text() == "compiler"


def test_a_toolkit_of_the_machine_stays_where_it_is(tmp_path: Path) -> None:
    """Only what lies in an environment is kept."""
    assert keep(tmp_path, Path("/opt/cuda/bin/nvcc")) == Path("/opt/cuda/bin/nvcc")


def test_the_kept_copy_is_looked_at_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise each isolated environment would bring its own path."""
    monkeypatch.setattr(sys, "path", ["", "/environment", *sys.path])
    assert list(unpacked(tmp_path))[:2] == [
        tmp_path / KEPT / "bin" / "nvcc",
        Path("/environment") / FOLDER / "bin" / "nvcc",
    ]
