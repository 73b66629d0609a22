"""The platform tag that binaries earn, manylinux_2_X_x86_64, read from their symbol versions.

Standard library only: setup.py asks at build time. Refuses to guess: a library or a version that
the tables below don't know is an error, not a tag.

Source: PEP 600 (the tag's meaning) and pypa/auditwheel's manylinux policy (which level brings which
symbol versions of gcc's runtime); a test holds this module against auditwheel itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import ClassVar

from tools.errors import ToolError
from tools.wheel.elf import EM_X86_64, Elf, VersionNeed
from tools.wheel.elf_image import ElfError

# The C and C++ runtime: those of the manylinux policy's libraries that a kernel library may need.
RUNTIME_LIBRARIES = frozenset(
    {
        "libc.so.6",
        "libm.so.6",
        "libdl.so.2",
        "libpthread.so.0",
        "librt.so.1",
        "ld-linux-x86-64.so.2",
        "libgcc_s.so.1",
        "libstdc++.so.6",
    }
)
# The CUDA driver belongs to the machine; no wheel can bring it.
DRIVER_LIBRARIES = frozenset({"libcuda.so.1"})

# The X of manylinux_2_X that a release may ask for: older distributions are out of support.
RELEASE_LEVEL = 28
# The X of manylinux_2_X that auditwheel knows for x86-64; a newer glibc is a level of its own.
LEVELS = (5, 12, 17, 24, 26, 27, 28, 31, 34, 35, 36, 37, 38, 39, 40, 41)
# Namespace -> (the last version that a level has, that level), ascending.
RUNTIME_VERSIONS: dict[str, tuple[tuple[tuple[int, ...], int], ...]] = {
    "GLIBCXX": (
        ((3, 4, 8), 5),
        ((3, 4, 13), 12),
        ((3, 4, 19), 17),
        ((3, 4, 22), 24),
        ((3, 4, 24), 27),
        ((3, 4, 28), 31),
        ((3, 4, 29), 34),
        ((3, 4, 30), 35),
        ((3, 4, 33), 39),
    ),
    "CXXABI": (
        ((1, 3, 1), 5),
        ((1, 3, 3), 12),
        ((1, 3, 7), 17),
        ((1, 3, 10), 24),
        ((1, 3, 11), 27),
        ((1, 3, 12), 31),
        ((1, 3, 13), 34),
        ((1, 3, 15), 39),
    ),
    "GCC": (
        ((4, 2, 0), 5),
        ((4, 3, 0), 12),
        ((4, 8, 0), 17),
        ((7, 0, 0), 27),
        ((12, 0, 0), 35),
        ((14, 0, 0), 39),
    ),
}
# Versions whose names are no numbers.
NAMED_VERSIONS = {"GLIBC_ABI_DT_RELR": 36, "CXXABI_TM_1": 17, "CXXABI_FLOAT128": 24}
# PEP 513, 571 and 599: the names from before PEP 600.
LEGACY_LEVELS = {
    "manylinux1_x86_64": 5,
    "manylinux2010_x86_64": 12,
    "manylinux2014_x86_64": 17,
}

Brought = Callable[[Iterable[str]], frozenset[str]]


class PlatformError(ToolError):
    """The binaries earn no manylinux x86-64 tag."""

    exit_code: ClassVar[int] = 21


class PlatformTooNewError(ToolError):
    """Build where glibc and gcc are older, as in docker/Dockerfile, or without --strict."""

    exit_code: ClassVar[int] = 55


def platform_tag(binaries: Iterable[Path], brought: Brought = lambda libraries: frozenset()) -> str:
    """Return the lowest manylinux tag that all `binaries` earn; they are each other's siblings.

    `brought` tells which of the libraries that one needs come with other packages.

    Raises: PlatformError with every reason why there is none.
    """
    paths = tuple(binaries)
    if not paths:
        raise PlatformError("platform tag: expected binaries to read it from, found none")
    allowed = RUNTIME_LIBRARIES | DRIVER_LIBRARIES | {path.name for path in paths}
    reasons: list[str] = []
    levels = [LEVELS[0]]
    for path in paths:
        try:
            elf = Elf.parse(path.read_bytes())
            apart = brought(elf.needed)
            _refuse_foreign(elf, allowed | apart)
            levels.append(glibc_level(elf, apart_from=apart))
        except (ElfError, PlatformError) as error:
            reasons.append(f"{path.name}: {error}")
    if reasons:
        raise PlatformError(
            "platform tag: expected x86-64 glibc binaries of the manylinux policy, found\n  "
            + "\n  ".join(reasons)
        )
    return f"manylinux_2_{max(levels)}_x86_64"


def glibc_level(elf: Elf, *, apart_from: Collection[str] = ()) -> int:
    """Return the X of the lowest manylinux_2_X whose glibc and gcc runtime serve `elf`.

    Raises: PlatformError for a symbol version that no known level has, unless its library is one
    that does not come with the platform.
    """
    needs = [need for need in elf.version_needs if need.library not in apart_from]
    levels = {need: _level(need) for need in needs}
    unknown = [f"{need.version} of {need.library}" for need, level in levels.items() if not level]
    if unknown:
        raise PlatformError(
            f"expected symbol versions of a known glibc and gcc runtime, found {', '.join(unknown)}"
        )
    return max((level for level in levels.values() if level), default=LEVELS[0])


def tag_level(platform: str) -> int | None:
    """Return the X that a platform tag claims, None where it is no manylinux tag of x86-64."""
    match = re.fullmatch(r"manylinux_2_(\d+)_x86_64", platform)
    return int(match[1]) if match else LEGACY_LEVELS.get(platform)


def require_release_platform(wheel: Path) -> None:
    """Refuse a wheel whose name asks for a newer glibc than a release may.

    Raises: PlatformTooNewError.
    """
    platform = wheel.stem.rpartition("-")[2]
    level = tag_level(platform)
    if level is None or level > RELEASE_LEVEL:
        raise PlatformTooNewError(
            f"{wheel.name}: expected manylinux_2_{RELEASE_LEVEL} or older (--strict), found "
            f"{platform}: this machine's compiler ties it to its own glibc; "
            "try: docker buildx bake, or leave --strict out"
        )


def _refuse_foreign(elf: Elf, allowed: frozenset[str]) -> None:
    """Raise PlatformError for another machine or a needed library outside `allowed`."""
    if elf.machine != EM_X86_64:
        raise PlatformError(f"expected machine x86-64 ({EM_X86_64}), found {elf.machine}")
    foreign = [library for library in elf.needed if library not in allowed]
    if foreign:
        # libc.so and libc.musl-x86_64.so.1 are musl's names.
        musl = any(library.startswith(("libc.so", "libc.musl")) for library in foreign)
        hint = " (musl: build on glibc)" if musl else ""
        raise PlatformError(
            f"expected no needed library but {_names(allowed)}, found {_names(foreign)}{hint}"
        )


def _level(need: VersionNeed) -> int | None:
    if need.version in NAMED_VERSIONS:
        return NAMED_VERSIONS[need.version]
    namespace, _, text = need.version.partition("_")
    if not re.fullmatch(r"\d+(\.\d+)*", text):
        return None
    number = tuple(int(part) for part in text.split("."))
    if namespace == "GLIBC":
        return next(_levels_of_glibc(number), None)
    steps = RUNTIME_VERSIONS.get(namespace, ())
    return next((level for last, level in steps if number <= last), None)


def _levels_of_glibc(number: tuple[int, ...]) -> Iterator[int]:
    if number[0] != 2 or len(number) < 2:
        return
    yield from (level for level in LEVELS if number[1] <= level)
    yield number[1]


def _names(libraries: Iterable[str]) -> str:
    return ", ".join(sorted(libraries))
