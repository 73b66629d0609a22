"""Tests of reading what a wheel says of itself."""

from __future__ import annotations

import io
import stat
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from tests.tools.precompiled.wheels import EXTENSION, FILES, append_member, make_wheel
from tools.precompiled.archive import Directory, read_directory, unpack
from tools.precompiled.errors import BadWheelError


def directory_of(wheel: Path) -> Directory:
    with wheel.open("rb") as file:
        return read_directory(cast(BinaryIO, file), wheel.name)


def test_members_come_in_the_order_of_their_bytes_with_their_digests(wheel: Path) -> None:
    """Each member knows its bytes and the digest that RECORD promises; RECORD itself has none."""
    members = directory_of(wheel).members
    assert [member.start for member in members] == sorted(member.start for member in members)
    assert {m.path for m in members if not m.digest} == {"vllm-1.0.dist-info/RECORD"}


@pytest.mark.parametrize(
    "path", ["vllm/../../escape.so", "/etc/escape.so", "vllm/./escape.so", "vllm\\escape.so"]
)
def test_a_member_that_leaves_its_folder_is_refused_by_name(tmp_path: Path, path: str) -> None:
    """A path escape is an error that names the path."""
    wheel = make_wheel(tmp_path, {**FILES, path: b"x"})
    with pytest.raises(BadWheelError, match=r"escape\.so"):
        directory_of(wheel)


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_a_link_or_device_is_refused(tmp_path: Path, kind: int) -> None:
    """Only plain files are taken from a wheel."""
    wheel = make_wheel(tmp_path, modes={EXTENSION: kind | 0o777})
    with pytest.raises(BadWheelError, match="link or a device"):
        directory_of(wheel)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_comes_twice_is_refused(wheel: Path) -> None:
    """Two entries of one name are an error."""
    append_member(wheel, EXTENSION, b"another")
    with pytest.raises(BadWheelError, match="is there twice"):
        directory_of(wheel)


def test_two_members_that_differ_by_case_alone_are_refused(tmp_path: Path) -> None:
    """On a file system without case one would overwrite the other."""
    wheel = make_wheel(tmp_path, {**FILES, EXTENSION.replace("_C", "_c"): b"x"})
    with pytest.raises(BadWheelError, match="case alone"):
        directory_of(wheel)


@pytest.mark.parametrize("keep", [0, 10, 0.5, 0.99])
def test_a_truncated_wheel_is_refused(wheel: Path, keep: float) -> None:
    """A wheel that was cut short is an error at every length."""
    data = wheel.read_bytes()
    wheel.write_bytes(data[: int(keep * len(data)) if keep < 1 else int(keep)])
    with pytest.raises(BadWheelError, match="cut short"):
        directory_of(wheel)


def test_a_record_that_contradicts_the_zip_directory_is_refused(tmp_path: Path) -> None:
    """A size in RECORD that the zip does not have is a lie found before anything is unpacked."""
    row = f"{EXTENSION},sha256=AAAA,7"
    with pytest.raises(BadWheelError, match="RECORD says 7 bytes"):
        directory_of(make_wheel(tmp_path, record={EXTENSION: row}))


def test_a_record_with_a_weak_digest_is_refused(tmp_path: Path) -> None:
    """MD5 proves nothing."""
    row = f"{EXTENSION},md5=AAAA,{len(FILES[EXTENSION])}"
    with pytest.raises(BadWheelError, match="expected sha256"):
        directory_of(make_wheel(tmp_path, record={EXTENSION: row}))


def test_content_that_is_not_what_record_promises_is_refused(wheel: Path) -> None:
    """The digest is of what was unpacked, not of what the zip says."""
    member = next(m for m in directory_of(wheel).members if m.path == EXTENSION)
    lying = type(member)(**{**vars(member), "digest": "0" * 64})
    with wheel.open("rb") as file:
        file.seek(member.start)
        with pytest.raises(BadWheelError, match="expected 1300 bytes"):
            unpack(lying, cast(BinaryIO, file), io.BytesIO(), wheel.name)


def test_an_entry_with_another_name_than_the_directory_is_refused(wheel: Path) -> None:
    """What is unpacked is the entry that was decided about."""
    member = next(m for m in directory_of(wheel).members if m.path == EXTENSION)
    other = type(member)(**{**vars(member), "path": "vllm/other.so"})
    with wheel.open("rb") as file:
        file.seek(member.start)
        with pytest.raises(BadWheelError, match="another name"):
            unpack(other, cast(BinaryIO, file), io.BytesIO(), wheel.name)


def test_two_metadata_folders_are_refused(tmp_path: Path) -> None:
    """A wheel has one *.dist-info folder of its own."""
    wheel = make_wheel(tmp_path, {**FILES, "other-1.dist-info/RECORD": b""})
    with pytest.raises(BadWheelError, match="found 2"):
        directory_of(wheel)
