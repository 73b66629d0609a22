"""Whether the binaries of a wheel can load here, told before one of them is in the checkout.

Compares the interpreter's suffixes, the machine, glibc, CUDA's major and torch's symbols with what
the files need. Refuses to know ELF: a reader is passed in. Torch is looked at, never imported.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from email.parser import HeaderParser
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from tools.errors import ToolError
from tools.precompiled.errors import IncompatibleError

MODULE = re.compile(r"(?P<module>.+?)(?P<suffix>\.(?:cpython-\w+|abi3)(?:-[\w-]+)?\.so)")
# Libraries whose number is CUDA's own major.
CUDA_LIBRARY = re.compile(r"lib(?:cudart|nvrtc|cublas|cublasLt)\.so\.(\d+)")
TORCH_LIBRARY = re.compile(r"lib(?:torch|c10)\w*\.so")
# Names in torch's namespaces (Itanium mangling), its stable C interface, and its Python objects.
TORCH_SYMBOL = re.compile(
    r"_Z(?:T[IVST]|GV)?N(?:[KVOR]*)(?:3c10|2at|5torch|6caffe2)|aoti_torch_|torch_|THP"
)
# Torch's stable interface: what uses nothing else may meet another torch.
STABLE_SYMBOL = re.compile(r"aoti_torch_|torch_")


@dataclass(frozen=True, kw_only=True)
class Extension:
    """An extension module by its path without suffix, and the suffix that binds it to
    interpreters.
    """

    module: str
    suffix: str


@dataclass(frozen=True, kw_only=True)
class Library:
    """What a shared object says of itself."""

    machine: str
    needed: tuple[str, ...]
    undefined: frozenset[str]
    defined: frozenset[str]
    glibc: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Torch:
    """The torch of this interpreter: its version, its CUDA, its libraries by name."""

    version: str
    cuda: str
    libraries: Mapping[str, Path]

    @classmethod
    def installed(cls) -> Torch | None:
        """Find torch without importing it."""
        try:
            found = distribution("torch")
        except PackageNotFoundError:
            return None
        folder = Path(str(found.locate_file("torch")))
        try:
            text = (folder / "version.py").read_text(encoding="utf-8")
        except OSError:
            text = ""
        cuda = re.search(r"^cuda\b[^=]*=\s*'([\d.]+)'", text, re.M)
        libraries = {path.name: path for path in sorted((folder / "lib").glob("*.so*"))}
        return cls(version=found.version, cuda=cuda[1] if cuda else "", libraries=libraries)

    def __str__(self) -> str:
        """Return version and CUDA in words."""
        return f"torch {self.version} ({f'CUDA {self.cuda}' if self.cuda else 'no CUDA'})"


@dataclass(frozen=True, kw_only=True)
class Host:
    """What binaries meet here."""

    suffixes: tuple[str, ...]
    machine: str
    glibc: tuple[int, int]
    torch: Torch | None

    @classmethod
    def here(cls) -> Host:
        """Describe this interpreter and machine."""
        try:
            words = (os.confstr("CS_GNU_LIBC_VERSION") or "").split()
        except (ValueError, OSError):
            words = []
        numbers = [int(number) for number in (words[-1] if words else "0.0").split(".")[:2]]
        return cls(
            suffixes=tuple(EXTENSION_SUFFIXES),
            machine=platform.machine(),
            glibc=(numbers[0], numbers[1]),
            torch=Torch.installed(),
        )

    def __str__(self) -> str:
        """Return what binaries were compared with."""
        torch = str(self.torch) if self.torch else "no torch"
        return f"{self.suffixes[0]}, {self.machine}, glibc {self.glibc[0]}.{self.glibc[1]}, {torch}"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Binaries (path in the checkout -> file to read) against a host."""

    binaries: Mapping[str, Path]
    host: Host
    read: Callable[[Path], Library]
    torch_requirement: str = ""

    def check(self) -> None:
        """Check that what this interpreter would load can load. Raises: IncompatibleError."""
        if findings := self.findings():
            raise IncompatibleError(
                "the wheel's binaries cannot load here, nothing was written:\n"
                + "\n".join(f"  {finding}" for finding in findings)
                + f"\nhere: {self.host}; take a wheel that was built for it, or build from source"
            )

    def findings(self) -> list[str]:
        """Return every reason why a binary cannot load here."""
        return [*self._unserved(), *self._unloadable()]

    def _unserved(self) -> Iterable[str]:
        """Name each module that has extensions, but none for this interpreter."""
        served: dict[str, list[str]] = {}
        for path in self.binaries:
            if extension := extension_of(path):
                served.setdefault(extension.module, []).append(extension.suffix)
        for module, suffixes in served.items():
            if not set(suffixes) & set(self.host.suffixes):
                yield (
                    f"{module.replace('/', '.')}: built as {', '.join(sorted(suffixes))}; this "
                    f"interpreter loads {', '.join(self.host.suffixes)}"
                )

    def _unloadable(self) -> Iterable[str]:
        torch_names: frozenset[str] | None = None
        own = [path.rsplit("/", 1)[-1] for path in self.binaries]
        for path, file in self.binaries.items():
            extension = extension_of(path)
            if extension and extension.suffix not in self.host.suffixes:
                continue
            try:
                library = self.read(file)
            except ToolError as error:
                yield f"{path}: {error}"
                continue
            yield from self._against_machine(path, library)
            yield from self._against_cuda(path, library)
            if self.host.torch and _uses_torch(library):
                if torch_names is None:
                    torch_names = self._torch_names(self.host.torch)
                yield from self._against_torch(path, library, self.host.torch, torch_names, own)

    def _against_machine(self, path: str, library: Library) -> Iterable[str]:
        host = self.host
        if library.machine != host.machine:
            yield f"{path}: built for {library.machine}, this machine is {host.machine}"
        elif host.glibc != (0, 0) and library.glibc > host.glibc:
            yield (
                f"{path}: needs GLIBC_{library.glibc[0]}.{library.glibc[1]} of libc.so.6, "
                f"here is glibc {host.glibc[0]}.{host.glibc[1]}"
            )

    def _against_cuda(self, path: str, library: Library) -> Iterable[str]:
        torch = self.host.torch
        for name in library.needed:
            match = CUDA_LIBRARY.fullmatch(name)
            if match and torch and torch.cuda.partition(".")[0] != match[1]:
                yield f"{path}: needs {name} (CUDA {match[1]}); installed is {torch}"

    def _against_torch(
        self, path: str, library: Library, torch: Torch, names: frozenset[str], own: list[str]
    ) -> Iterable[str]:
        linked = [name for name in library.needed if TORCH_LIBRARY.fullmatch(name)]
        absent = [name for name in linked if name not in torch.libraries and name not in own]
        if absent:
            yield f"{path}: needs {', '.join(absent)}; {torch} has no such library"
        symbols = sorted(s for s in library.undefined if TORCH_SYMBOL.match(s))
        lacking = [symbol for symbol in symbols if symbol not in names]
        if lacking:
            more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
            yield (
                f"{path}: undefined symbol {', '.join(lacking[:3])}{more}, wanted of "
                f"{', '.join(linked) or 'torch'}; {torch} does not define it"
            )
        elif any(not STABLE_SYMBOL.match(symbol) for symbol in symbols):
            yield from self._against_version(path, torch)

    def _against_version(self, path: str, torch: Torch) -> Iterable[str]:
        """Refuse another version even where all symbols are there: a layout may have changed."""
        wanted = self.torch_requirement
        if wanted and not Requirement(wanted).specifier.contains(torch.version, prereleases=True):
            yield (
                f"{path}: uses torch's C++ interface, built for {wanted}; installed is {torch}"
                " (its symbols are all there: --any-torch takes the risk)"
            )

    def _torch_names(self, torch: Torch) -> frozenset[str]:
        libraries = [
            path for name, path in torch.libraries.items() if TORCH_LIBRARY.fullmatch(name)
        ]
        names = [self.read(path).defined for path in libraries if path.is_file()]
        return frozenset().union(*names)


def extension_of(path: str) -> Extension | None:
    """Return the extension module that a path names; None for a plain library or another file."""
    match = MODULE.fullmatch(path)
    return Extension(module=match["module"], suffix=match["suffix"]) if match else None


def torch_requirement(metadata: str) -> str:
    """Return the torch that a wheel's METADATA asks for in this environment, '' where none."""
    for line in HeaderParser().parsestr(metadata).get_all("Requires-Dist") or []:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        marker = requirement.marker
        if requirement.name == "torch" and (marker is None or marker.evaluate({"extra": ""})):
            return f"torch{requirement.specifier}"
    return ""


def _uses_torch(library: Library) -> bool:
    return any(TORCH_LIBRARY.fullmatch(name) for name in library.needed) or any(
        TORCH_SYMBOL.match(symbol) for symbol in library.undefined
    )
