"""The platform tag: earned by symbol versions, the same as auditwheel's."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.tools.wheel.little_wheels import (
    library,
    metadata_files,
    needing,
    needs_compiler,
    write_wheel,
)
from tools.wheel.elf import Elf
from tools.wheel.platform_tag import (
    PlatformError,
    PlatformTooNewError,
    glibc_level,
    platform_tag,
    require_release_platform,
    tag_level,
)

pytestmark = needs_compiler
CASES = [
    ("libc.so.6", "GLIBC_2.2.5", 5),
    ("libc.so.6", "GLIBC_2.14", 17),
    ("libc.so.6", "GLIBC_2.17", 17),
    ("libc.so.6", "GLIBC_2.18", 24),
    ("libc.so.6", "GLIBC_2.28", 28),
    ("libc.so.6", "GLIBC_2.33", 34),
    ("libc.so.6", "GLIBC_ABI_DT_RELR", 36),
    ("libc.so.6", "GLIBC_2.38", 38),
    ("libstdc++.so.6", "GLIBCXX_3.4.22", 24),
    ("libstdc++.so.6", "GLIBCXX_3.4.30", 35),
    ("libstdc++.so.6", "CXXABI_1.3.13", 34),
    ("libgcc_s.so.1", "GCC_12.0.0", 35),
]


def written(folder: Path, data: bytes, name: str = "libdeep_gemm.so") -> Path:
    """Write a binary and return its path."""
    path = folder / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(("soname", "version", "level"), CASES)
def test_the_tag_is_the_lowest_level_that_has_the_version(
    tmp_path: Path, soname: str, version: str, level: int
) -> None:
    """Each version of glibc and gcc's runtime raises the tag to the level that brings it."""
    tag = platform_tag([written(tmp_path, needing(soname, version))])
    assert tag == f"manylinux_2_{level}_x86_64"
    assert tag_level(tag) == level


@pytest.mark.skipif(not find_spec("auditwheel"), reason="needs auditwheel (the group `test`)")
@pytest.mark.parametrize(("soname", "version", "level"), CASES)
def test_auditwheel_reads_the_same_tag(
    tmp_path: Path, soname: str, version: str, level: int
) -> None:
    """auditwheel gives the wheel of such a binary the same platform."""
    files = {"vllm/libdeep_gemm.so": needing(soname, version)}
    wheel = write_wheel(tmp_path, files, metadata=metadata_files())
    command = (sys.executable, "-m", "auditwheel", "show", "--json", str(wheel))
    shown = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert shown["overall_tag"] == f"manylinux_2_{level}_x86_64"


def test_the_highest_need_of_all_binaries_decides(tmp_path: Path) -> None:
    """One binary with a newer need raises the tag of all."""
    old = written(tmp_path, needing("libc.so.6", "GLIBC_2.14"), "old.so")
    new = written(tmp_path, needing("libc.so.6", "GLIBC_2.31"), "new.so")
    assert platform_tag([new, old]) == "manylinux_2_31_x86_64"


def test_a_glibc_beyond_the_table_is_its_own_level(tmp_path: Path) -> None:
    """GLIBC_2.50 earns manylinux_2_50: the tag names the glibc."""
    binary = written(tmp_path, needing("libc.so.6", "GLIBC_2.50"))
    assert platform_tag([binary]) == "manylinux_2_50_x86_64"


@pytest.mark.parametrize("version", ["GLIBC_PRIVATE", "GLIBCXX_3.4.99", "OTHER_1.0", "GLIBC_3.1"])
def test_a_version_that_no_table_knows_is_an_error(version: str) -> None:
    """An unknown version earns no tag, and is named."""
    with pytest.raises(PlatformError, match=version):
        glibc_level(Elf.parse(needing("libc.so.6", version)))


def test_siblings_and_the_driver_may_be_needed(tmp_path: Path) -> None:
    """Another binary of the wheel and libcuda are no reason to refuse."""
    first = written(tmp_path, needing("libcuda.so.1", "GLIBC_2.5"), "first.so")
    second = written(tmp_path, needing("first.so", "GLIBC_2.5"), "second.so")
    assert platform_tag([first, second]) == "manylinux_2_5_x86_64"
    with pytest.raises(PlatformError, match=r"second\.so: .*found first\.so"):
        platform_tag([second])


def test_musl_and_other_machines_are_refused_together(tmp_path: Path) -> None:
    """One error names each binary and what is wrong with it."""
    musl = written(tmp_path, needing("libc.musl-x86_64.so.1", "GLIBC_2.5"), "musl.so")
    arm = written(tmp_path, library()[:18] + b"\xb7\x00" + library()[20:], "arm.so")
    with pytest.raises(PlatformError, match=r"(?s)musl\.so.*build on glibc.*arm\.so.*found 183"):
        platform_tag([musl, arm])


def test_no_binary_earns_no_tag() -> None:
    """A wheel without binaries has no platform to be read."""
    with pytest.raises(PlatformError, match="found none"):
        platform_tag([])


@pytest.mark.parametrize(
    ("tag", "level"),
    [("manylinux2014_x86_64", 17), ("linux_x86_64", None), ("manylinux_2_17_aarch64", None)],
)
def test_a_tag_claims_a_level_or_none(tag: str, level: int | None) -> None:
    """Old names have their level; other platforms claim none."""
    assert tag_level(tag) == level


@pytest.mark.parametrize(
    ("platform", "refused"),
    [
        ("manylinux_2_17_x86_64", False),
        ("manylinux_2_28_x86_64", False),
        ("manylinux_2_29_x86_64", True),
        ("linux_x86_64", True),
    ],
)
def test_a_release_asks_for_no_newer_glibc_than_it_promises(platform: str, refused: bool) -> None:
    """--strict holds the tag; the message says where to build instead."""
    wheel = Path(f"vllm_deepgemm-0.1.0-cp310-abi3-{platform}.whl")
    if not refused:
        require_release_platform(wheel)
        return
    with pytest.raises(PlatformTooNewError, match=f"found {platform}.*docker buildx bake"):
        require_release_platform(wheel)
