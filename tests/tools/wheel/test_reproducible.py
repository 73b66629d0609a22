"""The normal form of a wheel: equal files, equal bytes."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.tools.wheel.little_wheels import DIST_INFO, member, metadata_files, write_wheel
from tools.wheel.archive import read_archive
from tools.wheel.policy import OURS
from tools.wheel.record import check_record
from tools.wheel.reproducible import NormaliseError, normalise

FILES = {"vllm/b.py": b"b" * 999, "vllm/a.py": b"a", "vllm/B.py": b"B"}
EPOCH = 1_700_000_001


def wheel_of(folder: Path, *, backwards: bool, mode: int = 0o644) -> Path:
    """Write one wheel of the same files, in one of two orders, as umasks and clocks leave it."""
    folder.mkdir()
    files = FILES | metadata_files()
    wheel = folder / "vllm_deepgemm-1.0-cp310-abi3-manylinux_2_17_x86_64.whl"
    names = sorted([*files, f"{DIST_INFO}/RECORD"], reverse=backwards)
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in names:
            info = member(name, stat.S_IFREG | mode)
            info.date_time = (2000 + len(folder.name), 1, 1, 0, 0, 0)
            archive.writestr(info, files.get(name, b""))
        info = member("vllm/tool", stat.S_IFREG | (mode | 0o100))
        archive.writestr(info, b"x")
    return wheel


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    """Order, times, compression and umask of the first writing leave no trace."""
    one = wheel_of(tmp_path / "one", backwards=False)
    other = wheel_of(tmp_path / "other", backwards=True, mode=0o600)
    assert one.read_bytes() != other.read_bytes()
    normalise(one, EPOCH)
    normalise(other, EPOCH)
    assert one.read_bytes() == other.read_bytes()
    before = one.read_bytes()
    normalise(one, EPOCH)
    assert one.read_bytes() == before


def test_the_normal_form_is_sorted_timed_and_true(tmp_path: Path) -> None:
    """Metadata come last, RECORD at the very end and right, modes are two, the time is given."""
    wheel = wheel_of(tmp_path / "one", backwards=True)
    normalise(wheel, EPOCH)
    with zipfile.ZipFile(wheel) as archive:
        infos = archive.infolist()
    names = [info.filename for info in infos]
    assert names == [
        *("vllm/B.py", "vllm/a.py", "vllm/b.py", "vllm/tool"),
        *(f"{DIST_INFO}/METADATA", f"{DIST_INFO}/WHEEL", f"{DIST_INFO}/licenses/LICENSE"),
        f"{DIST_INFO}/RECORD",
    ]
    assert {info.date_time for info in infos} == {(2023, 11, 14, 22, 13, 20)}
    modes = {info.filename: info.external_attr >> 16 for info in infos}
    assert modes.pop("vllm/tool") == 0o100755
    assert set(modes.values()) == {0o100644}
    assert list(check_record(read_archive(wheel, OURS)[0])) == []


def test_a_time_before_the_format_is_the_formats_first(tmp_path: Path) -> None:
    """An epoch of 0 is 1980, where the archive's clock begins."""
    wheel = wheel_of(tmp_path / "one", backwards=True)
    normalise(wheel, 0)
    with zipfile.ZipFile(wheel) as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_the_wheel_keeps_its_own_mode(tmp_path: Path) -> None:
    """Whoever could read the wheel before can read it after."""
    wheel = wheel_of(tmp_path / "one", backwards=True)
    wheel.chmod(0o640)
    normalise(wheel, EPOCH)
    assert stat.S_IMODE(wheel.stat().st_mode) == 0o640


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_failure_leaves_the_wheel_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """Where writing or renaming fails, the old bytes stay and nothing lies beside them."""

    def fail(*_: object) -> None:
        raise OSError("disk full")

    wheel = wheel_of(tmp_path / "one", backwards=True)
    before = wheel.read_bytes()
    monkeypatch.setattr(os if call == "fsync" else Path, call, fail)
    with pytest.raises(OSError, match="disk full"):
        normalise(wheel, EPOCH)
    assert wheel.read_bytes() == before
    assert list(wheel.parent.iterdir()) == [wheel]


def test_a_build_needs_nothing_but_the_standard_library() -> None:
    """What setup.py imports from here imports without site-packages."""
    code = "import tools.wheel.platform_tag, tools.wheel.reproducible, tools.wheel.sbom"
    root = Path(__file__).parents[3]
    subprocess.run((sys.executable, "-S", "-c", code), cwd=root, check=True)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_what_has_no_normal_form_is_an_error(tmp_path: Path) -> None:
    """A double member, a missing RECORD, no archive: refused, untouched."""
    double = write_wheel(tmp_path, FILES, extra=[(member("vllm/a.py"), b"again")])
    with pytest.raises(NormaliseError, match=r"vllm/a\.py once"):
        normalise(double, EPOCH)
    bare = tmp_path / "bare.whl"
    with zipfile.ZipFile(bare, "w"):
        pass
    with pytest.raises(NormaliseError, match="RECORD"):
        normalise(bare, EPOCH)
    with pytest.raises(NormaliseError, match="expected a wheel archive"):
        normalise(tmp_path / "absent.whl", EPOCH)
