"""Each shared object against its name: machine, libraries, paths, SOABI and CPython symbols."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from tools.wheel.contents import Contents
from tools.wheel.elf import EM_X86_64, ET_DYN, Elf
from tools.wheel.elf_image import ElfError
from tools.wheel.findings import Finding
from tools.wheel.limited_api import limited_api
from tools.wheel.platform_tag import PlatformError, glibc_level
from tools.wheel.policy import TORCH_LIBRARIES, Policy

ORIGIN = "$ORIGIN"
CUDA_SYMBOL = re.compile(r"(cuda|nvrtc)[A-Z]")
PYTHON_PREFIXES = ("Py", "_Py")


@dataclass(frozen=True, kw_only=True)
class Binary:
    """One shared object that could be read; `level` is the X of its glibc floor 2.X."""

    file: str
    bytes: int
    sha256: str
    level: int | None
    elf: Elf

    @property
    def name(self) -> str:
        """The name without folders."""
        return PurePosixPath(self.file).name


def read_binaries(
    contents: Contents, policy: Policy
) -> tuple[tuple[Binary, ...], tuple[Finding, ...]]:
    """Return every shared object of the package, and a finding for each that can't be read."""
    binaries: list[Binary] = []
    findings: list[Finding] = []
    for file in contents.shared_objects():
        data = contents.files[file]
        try:
            elf = Elf.parse(data)
        except ElfError as error:
            findings.append(Finding(file=file, expected="a readable ELF file", found=str(error)))
            continue
        try:
            level = glibc_level(elf, apart_from=policy.brought(elf.needed))
        except PlatformError as error:
            level = None
            findings.append(Finding(file=file, expected="a manylinux binary", found=str(error)))
        sha256 = hashlib.sha256(data).hexdigest()
        binaries.append(Binary(file=file, bytes=len(data), sha256=sha256, level=level, elf=elf))
    return tuple(binaries), tuple(findings)


def check_binaries(
    binaries: tuple[Binary, ...], policy: Policy, soabis: Mapping[str, str]
) -> Iterator[Finding]:
    """Yield the faults of each binary; `soabis` gives what an extension has to be built for."""
    library = next((b for b in binaries if b.file == f"{policy.folder}/{policy.library}"), None)
    for binary in binaries:
        yield from _check_loading(binary, policy)
        yield from _check_cuda(binary) if policy.torch else _check_linkage(binary, library)
        if binary.file in soabis:
            yield from _check_extension(binary, policy, soabis[binary.file])
        else:
            yield from _check_no_python(binary)
    if library and library.elf.soname != policy.library:
        yield _fault(library, f"soname {policy.library}", library.elf.soname or "none")


def _check_loading(binary: Binary, policy: Policy) -> Iterator[Finding]:
    elf = binary.elf
    if elf.machine != EM_X86_64:
        yield _fault(binary, f"machine x86-64 ({EM_X86_64})", str(elf.machine))
    if elf.type != ET_DYN:
        yield _fault(binary, f"a shared object (type {ET_DYN})", f"type {elf.type}")
    if elf.executable_stack:
        yield _fault(binary, "a stack without execution", "one with (PT_GNU_STACK)")
    for name in elf.needed:
        if not policy.may_need(name) and name != policy.library:
            own = "torch, CUDA's runtime" if policy.torch else policy.library
            expected = f"to need nothing but {own} and the C and C++ runtime"
            yield _fault(binary, expected, name)
    allowed = {ORIGIN} if policy.library in elf.needed else {ORIGIN, None}
    if elf.runpath not in allowed:
        yield _fault(binary, f"RUNPATH {ORIGIN}", elf.runpath or "none")
    if elf.rpath is not None:
        yield _fault(binary, "no RPATH, which LD_LIBRARY_PATH can't override", elf.rpath)


def _check_linkage(binary: Binary, library: Binary | None) -> Iterator[Finding]:
    # The C and C++ runtime gives its symbols versions: a bare name is CPython's or the library's.
    provided = library.elf.defined if library and library.name in binary.elf.needed else {}
    missing = [
        symbol.name
        for symbol in binary.elf.undefined
        if not (symbol.version or symbol.weak or symbol.name in provided)
        and not symbol.name.startswith(PYTHON_PREFIXES)
    ]
    if missing:
        expected = "every symbol in the C and C++ runtime or the needed library"
        yield _fault(binary, expected, _names(missing))


def _check_cuda(binary: Binary) -> Iterator[Finding]:
    # Limit: torch's symbols have no versions and no torch is read, so only CUDA's can be told: each
    # of its libraries gives its symbols one.
    missing = [
        symbol.name
        for symbol in binary.elf.undefined
        if CUDA_SYMBOL.match(symbol.name) and not (symbol.version or symbol.weak)
    ]
    if missing:
        yield _fault(binary, "CUDA's functions from a library that it needs", _names(missing))


def _check_extension(binary: Binary, policy: Policy, soabi: str) -> Iterator[Finding]:
    elf = binary.elf
    needed = ", ".join(elf.needed) or "nothing needed"
    if policy.library and policy.library not in elf.needed:
        yield _fault(binary, f"to need {policy.library}", needed)
    if policy.torch and not TORCH_LIBRARIES & set(elf.needed):
        yield _fault(binary, "to need a library of torch, which it was compiled against", needed)
    entry = f"PyInit_{policy.module}"
    if entry not in elf.defined:
        yield _fault(binary, f"the entry point {entry}", "none")
    yield from _check_marker(binary, policy, soabi)
    if soabi.startswith("abi3"):
        outside = set(_python_symbols(elf)) - limited_api()
        if outside:
            expected = "no CPython symbols but the limited API of {}.{}".format(
                *(policy.abi3_floor or ())
            )
            yield _fault(binary, expected, _names(outside))


def _check_marker(binary: Binary, policy: Policy, soabi: str) -> Iterator[Finding]:
    if policy.marker is None:
        return
    expected = f"{policy.marker}={soabi}, for which its name claims that it was compiled"
    symbol = binary.elf.defined.get(policy.marker)
    if symbol is None:
        yield _fault(binary, expected, f"no symbol {policy.marker}")
        return
    try:
        found = binary.elf.string_at(symbol)
    except ElfError as error:
        yield _fault(binary, expected, str(error))
        return
    if found != f"{policy.marker}={soabi}":
        yield _fault(binary, expected, repr(found))


def _check_no_python(binary: Binary) -> Iterator[Finding]:
    symbols = _python_symbols(binary.elf)
    if symbols:
        yield _fault(binary, "no CPython symbols outside extensions", _names(symbols))


def _python_symbols(elf: Elf) -> list[str]:
    return [s.name for s in elf.undefined if s.name.startswith(PYTHON_PREFIXES)]


def _fault(binary: Binary, expected: str, found: str) -> Finding:
    return Finding(file=binary.file, expected=expected, found=found)


def _names(symbols: list[str] | set[str]) -> str:
    ordered = sorted(symbols)
    more = f" and {len(ordered) - 8} more" if len(ordered) > 8 else ""
    return ", ".join(ordered[:8]) + more
