"""Traced sources: every byte counts, their place does not, and an unreadable one makes no key."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from vllm.compilation import sources
from vllm.compilation.factors import UnkeyableError
from vllm.compilation.sources import source_factors


def package(folder: Path, text: str = "x = 1\n") -> str:
    """Write a module in a package of two levels."""
    inner = folder / "models" / "small"
    inner.mkdir(parents=True)
    for each in (inner, inner.parent):
        (each / "__init__.py").touch()
    (inner / "layer.py").write_text(text)
    return str(inner / "layer.py")


def test_a_file_is_named_from_its_package_s_root(tmp_path: Path) -> None:
    """Two checkouts make one key."""
    one, two = package(tmp_path / "one"), package(tmp_path / "two")
    assert source_factors([one]) == source_factors([two])
    assert list(source_factors([one])) == ["models/small/layer.py"]
    lone = tmp_path / "script.py"
    lone.touch()
    assert list(source_factors([str(lone)])) == ["script.py"]


def test_every_byte_counts(tmp_path: Path) -> None:
    """A comment too: line numbers are in what is traced."""
    file = package(tmp_path)
    before = source_factors([file])
    Path(file).write_text("x = 2\n")
    assert source_factors([file]) != before


def test_a_settled_file_is_read_once_and_read_again_when_its_status_moves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A digest is remembered only once the file's time stamps can be trusted."""
    file = package(tmp_path)
    before = source_factors([file])
    assert file not in sources._known, "just written: the next write may bear the same stamp"
    later = Path(file).stat().st_ctime_ns + 3_000_000_000
    monkeypatch.setattr(time, "time_ns", lambda: later)
    assert source_factors([file]) == before
    with monkeypatch.context() as inner:
        inner.setattr(Path, "read_bytes", lambda _: pytest.fail("read again"))
        assert source_factors([file]) == before
    Path(file).write_text("x = 3\n")
    assert source_factors([file]) != before


@pytest.mark.parametrize("name", ["absent.py", "<string>", "folder"])
def test_a_source_that_cannot_be_read_makes_no_key(tmp_path: Path, name: str) -> None:
    """Leaving it out would make the key weaker."""
    (tmp_path / "folder").mkdir()
    file = name if name.startswith("<") else str(tmp_path / name)
    with pytest.raises(UnkeyableError, match=r"traced source .*cannot be read"):
        source_factors([file])


def test_files_for_which_another_factor_speaks_are_left_out(tmp_path: Path) -> None:
    """torch's own key covers torch's own files."""
    assert source_factors([package(tmp_path)], skip=(str(tmp_path),)) == {}
