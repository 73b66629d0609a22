"""Precompiled installs composed: tools.precompiled decides and writes, tools.wheel reads libraries.

Holds the entry of setup.py, which needs neither a console nor torch, and the command line.
"""

from __future__ import annotations

import mmap
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import cast

from tools.errors import exit_with
from tools.precompiled.compatibility import Library
from tools.precompiled.install import Installer, Report
from tools.precompiled.settings import Settings, is_set
from tools.precompiled.store import Store
from tools.precompiled.transport import Transport
from tools.wheel.elf import EM_X86_64, Elf

ROOT = Path(__file__).resolve().parents[1]
USE_PRECOMPILED = "VLLM_USE_PRECOMPILED"
SAY_EACH = 1 << 24
# Source: gABI, e_machine; named as platform.machine() does.
MACHINES = {EM_X86_64: "x86_64", 183: "aarch64"}


@dataclass(kw_only=True)
class ProgressLines:
    """A line on stderr for each further part of a download: a build frontend has no terminal."""

    expected: int = 0
    came: int = 0

    def expect(self, count: int) -> None:
        """Expect so many bytes more."""
        self.expected += count

    def advance(self, count: int) -> None:
        """Count bytes, and say so once in a while."""
        before, self.came = self.came, self.came + count
        if before // SAY_EACH != self.came // SAY_EACH:
            of = f" of {self.expected >> 20}" if self.expected else ""
            print(f"fetched {self.came >> 20}{of} MiB", file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command of `python -m tools.precompiled`."""
    from tools.precompiled.command_line import run

    return run(arguments, ROOT, read_library)


def is_wanted() -> bool:
    """Say whether VLLM_USE_PRECOMPILED asks for binaries of a wheel instead of a compiler."""
    return is_set(os.environ, USE_PRECOMPILED)


def extract_precompiled_and_patch_package(wheel_path: str | None) -> dict[str, list[str]]:
    """Install the wheel's binaries into the checkout and return them as setuptools' package data.

    `wheel_path` is a path, URL or requirement; without one, the environment names the wheel.
    """
    settings = Settings.from_environment(wheel_path)
    progress = ProgressLines()
    installer = Installer(
        root=ROOT,
        store=Store.from_environment(),
        transport=Transport(offline=settings.offline, on_bytes=progress.advance),
        read_library=read_library,
        on_total=progress.expect,
    )
    report = installer.install(settings.request)
    for line in report.lines():
        print(line, file=sys.stderr)
    return package_data(report)


def package_data(report: Report) -> dict[str, list[str]]:
    """Return the installed files by the package whose folder they lie in or below."""
    data: dict[str, list[str]] = {}
    for path in map(PurePosixPath, report.files):
        data.setdefault(".".join(path.parent.parts), []).append(path.name)
    return data


def precompiled_version(version: str) -> str:
    """Return the version with the local suffix that says where the binaries are from."""
    return f"{version}{'.' if '+' in version else '+'}precompiled"


def read_library(path: Path) -> Library:
    """Return what a shared object says to the loader. Raises: ElfError."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        elf = Elf.parse(cast(bytes, data))
        return Library(
            machine=MACHINES.get(elf.machine, f"machine {elf.machine}"),
            needed=elf.needed,
            undefined=frozenset(symbol.name for symbol in elf.undefined if not symbol.weak),
            defined=frozenset(elf.defined),
            glibc=max((_glibc(need.version) for need in elf.version_needs), default=(0, 0)),
        )


def _glibc(version: str) -> tuple[int, int]:
    """Return the numbers of a version such as GLIBC_2.34, zeros for any other library's."""
    name, _, numbers = version.partition("_")
    parts = numbers.split(".")
    if name != "GLIBC" or not all(part.isdigit() for part in parts) or len(parts) < 2:
        return (0, 0)
    return int(parts[0]), int(parts[1])


if __name__ == "__main__":
    exit_with(main)
