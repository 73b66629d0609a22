"""Finished wheels go into their folder whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tools.wheel.publish import OutRefusedError, publish


def test_a_wheel_is_published_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk leaves the wheel of before and nothing beside it."""
    wheel, out = tmp_path / "w.whl", tmp_path / "dist"
    wheel.write_text("new")
    out.mkdir()
    (out / "w.whl").write_text("old")

    def fill(_: int) -> None:
        raise OSError("No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fill)
        with pytest.raises(OutRefusedError, match=r"--out .*, found No space .* name another"):
            publish(wheel, out)
    assert [(file.name, file.read_text()) for file in out.iterdir()] == [("w.whl", "old")]
    assert publish(wheel, out).read_text() == "new"


def test_a_folder_that_cannot_be_made_is_refused_by_name(tmp_path: Path) -> None:
    """No traceback after minutes of work: not every file system says beforehand what it refuses."""
    (tmp_path / "w.whl").write_text("new")
    with pytest.raises(OutRefusedError, match=r"--out /proc/nowhere: expected a folder"):
        publish(tmp_path / "w.whl", Path("/proc/nowhere"))
