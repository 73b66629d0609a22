"""RECORD: each way in which it can be wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tools.wheel.little_wheels import DIST_INFO, metadata_files, record_of, write_wheel
from tools.wheel.archive import read_archive
from tools.wheel.contents import Contents
from tools.wheel.policy import OURS
from tools.wheel.record import check_record

FILES = {"vllm/__init__.py": b"one", "vllm/a b,c.py": b"two"}
RECORD = f"{DIST_INFO}/RECORD"


def faults(folder: Path, edit: Callable[[str], str] = str) -> list[str]:
    """Return the faults of a wheel whose RECORD went through `edit`."""
    record = edit(record_of(FILES | metadata_files()).decode()).encode("latin-1")
    contents, _ = read_archive(write_wheel(folder, FILES, record=record), OURS)
    return [str(finding) for finding in check_record(contents)]


def test_a_true_record_has_no_fault(tmp_path: Path) -> None:
    """Quoted names and all files are matched."""
    assert faults(tmp_path) == []


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda r: r.replace("sha256=", "sha256=A", 1), "vllm/__init__.py: expected sha256=A"),
        (
            lambda r: r.replace(",3\n", ",4\n", 1),
            "vllm/__init__.py: expected 4 as in RECORD, found 3",
        ),
        (lambda r: r.replace(",3\n", ",\n", 1), "expected a size as in RECORD, found 3"),
        (lambda r: r.split("\n", 1)[1], "vllm/__init__.py: expected a line of RECORD, found none"),
        (
            lambda r: "vllm/gone.py,sha256=x,1\n" + r,
            "vllm/gone.py: expected the file that RECORD lists, found no such file",
        ),
        (lambda r: r + r.split("\n")[0] + "\n", f"{RECORD}: expected vllm/__init__.py once"),
        (lambda r: r.replace("sha256=", "md5=", 1), "expected a digest by sha256"),
        (
            lambda r: r.replace(f"{RECORD},,", f"{RECORD},sha256=x,1"),
            "expected no digest of itself",
        ),
        (lambda r: r.replace(f"{RECORD},,\n", ""), f"{RECORD}: expected a line of RECORD"),
        (
            lambda r: "../up.py,sha256=x,1\n" + r,
            "expected paths inside the package, found ../up.py",
        ),
        (lambda r: "/etc/passwd,,\n" + r, "found /etc/passwd: an absolute path"),
        (lambda r: "vllm\\x,,\n" + r, "found vllm\\x: a backslash"),
        (lambda r: "vllm/two,fields\n" + r, "expected path, digest and size, found 2 fields"),
        (lambda r: r + '"open', "expected CSV in UTF-8"),
        (lambda r: r + "\xe9,,\n", "expected CSV in UTF-8"),
    ],
)
def test_each_fault_of_record_is_found(
    tmp_path: Path, edit: Callable[[str], str], message: str
) -> None:
    """The finding names the file and what RECORD says of it."""
    assert any(message in fault for fault in faults(tmp_path, edit)), faults(tmp_path, edit)


def test_a_wheel_without_record_is_a_fault() -> None:
    """What lists nothing proves nothing."""
    contents = Contents(subject="x", kind="wheel", files={}, dist_info=DIST_INFO)
    assert [str(f) for f in check_record(contents)] == [
        f"{RECORD}: expected a list of all files, found no such file"
    ]


def test_compiled_files_of_an_installation_need_no_digest() -> None:
    """An installer lists .pyc files without digest, and they may be gone."""
    record = f"a/__pycache__/b.pyc,,\na/__pycache__/gone.pyc,,\n{RECORD},,\n".encode()
    files = {"a/__pycache__/b.pyc": b"", RECORD: record}
    contents = Contents(subject="x", kind="installed", files=files, dist_info=DIST_INFO)
    assert list(check_record(contents)) == []
