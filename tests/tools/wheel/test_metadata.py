"""METADATA, WHEEL and file name: each disagreement is a finding."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools.wheel.little_wheels import DIST_INFO, metadata_files, write_wheel
from tools.wheel.archive import read_archive
from tools.wheel.contents import Contents
from tools.wheel.metadata import check_metadata, check_platform
from tools.wheel.policy import OURS


def faults(wheel: Path) -> list[str]:
    """Return the faults of a wheel's metadata, as text."""
    contents, _ = read_archive(wheel, OURS)
    return [str(finding) for finding in check_metadata(contents, OURS)]


def test_agreeing_metadata_have_no_fault(tmp_path: Path) -> None:
    """The metadata of a good wheel agree with its name, compressed tags included."""
    assert faults(write_wheel(tmp_path, {})) == []
    tag = "cp310-abi3-manylinux2014_x86_64.manylinux_2_17_x86_64"
    assert faults(write_wheel(tmp_path, {}, tag=tag)) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (
            "METADATA",
            "Name: vllm-deepgemm",
            "Name: vllm",
            "expected Name: vllm-deepgemm, found vllm",
        ),
        ("METADATA", "Version: 1.0", "Version: 1.1", "expected the folder of vllm-deepgemm 1.1"),
        ("METADATA", "Version: 1.0", "Version: 1.1", "expected name and version of METADATA"),
        ("METADATA", "Version: 1.0", "Version: one", "expected the folder of vllm-deepgemm one"),
        ("METADATA", "Requires-Python: ", "X: ", "expected one Requires-Python, found 0"),
        ("METADATA", "Name: ", "Name: x\nName: ", "expected one Name, found 2"),
        ("METADATA", "License-Expression: ", "X: ", "expected a License-Expression, found none"),
        ("METADATA", "License-File: ", "X: ", "expected a License-File, found none"),
        ("METADATA", "File: LICENSE", "File: N", "licenses/N: expected the file of License-File"),
        ("WHEEL", "Wheel-Version: 1.0", "Wheel-Version: 2.0", "expected Wheel-Version: 1.0"),
        ("WHEEL", "Purelib: false", "Purelib: true", "expected Root-Is-Purelib: false, found true"),
        ("WHEEL", "Tag: cp310-", "Tag: cp311-", "expected the tags of the file name"),
        ("WHEEL", "Tag: ", "X: ", "expected a Tag: cp310-abi3-PLATFORM, found none"),
        (
            "WHEEL",
            "Tag: ",
            "Build: 1\nTag: ",
            "expected the build number of the file name, found 1",
        ),
    ],
)
def test_each_disagreement_is_found(
    tmp_path: Path, file: str, old: str, new: str, message: str
) -> None:
    """The finding names the file, what it should say and what it says."""
    metadata = metadata_files()
    name = f"{DIST_INFO}/{file}"
    assert old.encode() in metadata[name]
    metadata[name] = metadata[name].replace(old.encode(), new.encode())
    found = faults(write_wheel(tmp_path, {}, metadata=metadata))
    assert any(message in fault for fault in found), found


@pytest.mark.parametrize("tag", ["cp311-cp311-manylinux_2_17_x86_64", "py3-none-any"])
def test_a_tag_without_the_abi3_claim_is_a_fault(tmp_path: Path, tag: str) -> None:
    """The wheel is for cp310-abi3; another claim serves other interpreters than its content."""
    found = faults(write_wheel(tmp_path, {}, tag=tag))
    assert any("expected the tag cp310-abi3" in fault for fault in found), found


def test_a_file_name_that_is_none_is_a_fault(tmp_path: Path) -> None:
    """A wheel under another name than its parts is named."""
    wheel = write_wheel(tmp_path, {}).rename(tmp_path / "deepgemm.whl")
    assert any("name-version[-build]-python-abi-platform.whl" in fault for fault in faults(wheel))


def test_no_metadata_folder_is_a_fault() -> None:
    """Without METADATA there is nothing to keep."""
    contents = Contents(subject="x.whl", kind="wheel", files={}, dist_info=None)
    assert [f.expected for f in check_metadata(contents, OURS)] == ["exactly one .dist-info folder"]


@pytest.mark.parametrize("platform", ["linux_x86_64", "manylinux_2_17_aarch64", "any"])
def test_a_platform_that_claims_no_glibc_is_a_fault(tmp_path: Path, platform: str) -> None:
    """Only a manylinux tag of x86-64 says which machines the binaries run on."""
    contents, _ = read_archive(write_wheel(tmp_path, {}, tag=f"cp310-abi3-{platform}"), OURS)
    assert [f.found for f in check_platform(contents, OURS, {})] == [platform]


def test_every_platform_of_the_tag_has_to_be_true(tmp_path: Path) -> None:
    """Of two claims, the one below a binary's floor is denied."""
    tag = "cp310-abi3-manylinux_2_17_x86_64.manylinux_2_28_x86_64"
    contents, _ = read_archive(write_wheel(tmp_path, {}, tag=tag), OURS)
    found = list(check_platform(contents, OURS, {"a.so": 28}))
    assert [str(f) for f in found] == [
        "a.so: expected a glibc floor of 2.17, from the tag manylinux_2_17_x86_64, found 2.28"
    ]
