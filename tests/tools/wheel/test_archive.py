"""The members of a wheel: what is refused, and that all of it is reported."""

from __future__ import annotations

import stat
import zipfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from tests.tools.wheel.little_wheels import member, write_wheel
from tools.wheel.archive import WheelUnreadableError, read_archive
from tools.wheel.policy import OURS

FILES = {"vllm/__init__.py": b"one"}
REGULAR = stat.S_IFREG


def faults(wheel: Path) -> list[str]:
    """Return the faults of a wheel's members, as text."""
    return [str(finding) for finding in read_archive(wheel, OURS)[1]]


def test_ordinary_members_have_no_fault(tmp_path: Path) -> None:
    """Files of mode 0644 and 0755 and folder entries are as they should be."""
    extra = [(member("vllm/run", REGULAR | 0o755), b"x"), (member("vllm/data/", 0o40755), b"")]
    contents, findings = read_archive(write_wheel(tmp_path, FILES, extra=extra), OURS)
    assert findings == ()
    assert contents.files["vllm/run"] == b"x"
    assert "vllm/data/" not in contents.files


@pytest.mark.parametrize(
    ("name", "mode", "message"),
    [
        (
            "../up.py",
            0o644,
            "../up.py: expected a relative path with forward slashes, found an empty",
        ),
        ("vllm/../../up.py", 0o644, "found an empty, . or .. part"),
        ("vllm//two.py", 0o644, "found an empty, . or .. part"),
        ("/etc/passwd", 0o644, "found an absolute path"),
        ("vllm\\x.py", 0o644, "found a backslash, a drive or a control character"),
        ("C:x.py", 0o644, "found a backslash, a drive or a control character"),
        ("vllm/x\n.py", 0o644, "found a backslash, a drive or a control character"),
        ("vllm/__init__.py", 0o644, "expected each name once, found it twice"),
        ("vllm/__INIT__.py", 0o644, "found vllm/__init__.py too, which differs by case"),
        ("vllm/s.py", 0o4755, "expected a regular file of mode 0644 or 0755, found mode 0104755"),
        ("vllm/w.py", 0o666, "found mode 0100666"),
        ("vllm/n.py", 0, "found mode 0100000"),
        ("vllm/fifo", stat.S_IFIFO | 0o644, "found mode 0010644"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_each_bad_member_is_named(tmp_path: Path, name: str, mode: int, message: str) -> None:
    """Escapes, doubles, case clashes and odd modes are faults."""
    full = mode if stat.S_IFMT(mode) else REGULAR | mode
    wheel = write_wheel(tmp_path, FILES, extra=[(member(name, full), b"x")])
    assert any(message in fault for fault in faults(wheel)), faults(wheel)


def test_a_symbolic_link_is_a_fault(tmp_path: Path) -> None:
    """A member may not point elsewhere."""
    link = (member("vllm/link.py", stat.S_IFLNK | 0o777), b"../../elsewhere")
    assert "vllm/link.py: expected a regular file, found a symbolic link" in faults(
        write_wheel(tmp_path, FILES, extra=[link])
    )


def test_a_name_with_nul_is_a_fault(tmp_path: Path) -> None:
    """A name that readers see differently is no safe name."""
    wheel = write_wheel(tmp_path, FILES, extra=[(member("vllm/a.pyZ.so"), b"x")])
    wheel.write_bytes(wheel.read_bytes().replace(b"vllm/a.pyZ.so", b"vllm/a.py\0.so"))
    assert any("control character" in fault for fault in faults(wheel))


def test_a_damaged_member_is_a_fault_and_the_others_are_read(tmp_path: Path) -> None:
    """A wrong checksum is reported with the member's name."""
    extra = [(member("vllm/data.txt"), b"original content")]
    wheel = write_wheel(tmp_path, FILES, extra=extra)
    wheel.write_bytes(wheel.read_bytes().replace(b"original content", b"0riginal content"))
    contents, findings = read_archive(wheel, OURS)
    assert [finding.file for finding in findings] == ["vllm/data.txt"]
    assert "damage" in findings[0].found
    assert "vllm/__init__.py" in contents.files


def test_a_member_that_few_can_unpack_is_a_fault(tmp_path: Path) -> None:
    """Only stored and deflated members are for every installer."""
    pytest.importorskip("bz2", reason="needs a CPython with bz2 to write such a member")
    info = member("vllm/data.txt")
    info.compress_type = zipfile.ZIP_BZIP2
    assert faults(write_wheel(tmp_path, FILES, extra=[(info, b"x")])) == [
        "vllm/data.txt: expected a stored or deflated member, found method 12"
    ]


def test_a_wheel_above_the_limit_is_a_fault(tmp_path: Path) -> None:
    """The size of the archive is held against the policy's limit."""
    wheel = write_wheel(tmp_path, FILES)
    _, findings = read_archive(wheel, replace(OURS, archive_limit=10))
    assert [finding.expected for finding in findings] == ["at most 10 bytes"]


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    """A wheel that grows beyond the limit is refused by its directory alone."""
    wheel = write_wheel(tmp_path, {"vllm/zero.bin": bytes(1 << 20)})
    with pytest.raises(WheelUnreadableError, match="at most 65536 bytes when unpacked"):
        read_archive(wheel, replace(OURS, unpacked_limit=1 << 16))


@pytest.mark.parametrize("content", [None, b"", b"no archive"])
def test_what_is_no_archive_is_one_error(tmp_path: Path, content: bytes | None) -> None:
    """A missing file and one that is no archive say so."""
    wheel = tmp_path / "x.whl"
    if content is not None:
        wheel.write_bytes(content)
    with pytest.raises(WheelUnreadableError, match=r"x\.whl: expected a wheel archive"):
        read_archive(wheel, OURS)


def test_cut_archives_are_errors_or_findings(tmp_path: Path) -> None:
    """No truncation and no damage of the directory ends in a traceback."""
    whole = write_wheel(tmp_path, FILES).read_bytes()
    wheel = tmp_path / "cut.whl"
    for index in range(len(whole)):
        wheel.write_bytes(whole[:index] + bytes((whole[index] ^ 0xFF,)) + whole[index + 1 :])
        with suppress(WheelUnreadableError):
            read_archive(wheel, OURS)
        wheel.write_bytes(whole[:index])
        with pytest.raises(WheelUnreadableError):
            read_archive(wheel, OURS)


def test_two_metadata_folders_are_none(tmp_path: Path) -> None:
    """Which of two would speak for the wheel can't be said."""
    extra = [(member("other-1.dist-info/METADATA"), b"")]
    contents, _ = read_archive(write_wheel(tmp_path, FILES, extra=extra), OURS)
    assert contents.dist_info is None
    assert zipfile.is_zipfile(tmp_path / contents.subject)
