"""What a process may use of this machine: processors by affinity and quota, memory by limit.

Reads Linux's own accounts (procfs, cgroup v1 and v2); a file that is missing limits nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

UNLIMITED = 1 << 60  # where not even the machine's total is known


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What compilers may use. Units: processors, bytes."""

    cores: float
    memory: int

    @classmethod
    def read(cls, root: Path = Path("/"), affinity: int | None = None) -> Machine:
        """Return what this process may use, the least of all its limits."""
        cores: float = affinity or len(os.sched_getaffinity(0))
        memory = _total_memory(root)
        for folder in _cgroups(root):
            cores = min(cores, _quota(folder) or cores)
            memory = min(memory, _limit(folder) or memory)
        return cls(cores=cores, memory=memory)


def _total_memory(root: Path) -> int:
    """Return the memory of the machine; free memory would differ at each reading."""
    for line in _read(root / "proc/meminfo").splitlines():
        name, _, rest = line.partition(":")
        if name == "MemTotal":
            return int(rest.split()[0]) << 10
    return UNLIMITED


def _cgroups(root: Path) -> Iterator[Path]:
    """Yield the folders of this process's groups and of all groups around them."""
    mounts = root / "sys/fs/cgroup"
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        # Version 2 has one hierarchy and names no controllers; "unified" is where both are mounted.
        names = {"", "unified"} if not controllers else {controllers, *controllers.split(",")}
        for mount in sorted(mounts / name for name in names):
            group = mount / path.lstrip("/")
            # A container may see a path that its own mount does not have; the mount then counts.
            yield from (each for each in (group, *group.parents) if each.is_relative_to(mount))


def _quota(group: Path) -> float | None:
    """Return the processors that a group may use, by either version's files; None for all."""
    pair = _read(group / "cpu.max").split()
    if not pair:
        files = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        pair = [word for name in files for word in _read(group / name).split()]
    if len(pair) != 2 or not all(word.isdigit() for word in pair):  # "max 100000", or -1
        return None
    quota, period = map(int, pair)
    return quota / period if quota and period else None


def _limit(group: Path) -> int | None:
    """Return the memory that a group may use, by either version's file; None for all.

    Source: Linux Documentation, cgroup-v1/memory: no limit is a number near 2^63.
    """
    said = _read(group / "memory.max") or _read(group / "memory.limit_in_bytes")
    return int(said) if said.strip().isdigit() else None


def _read(path: Path) -> str:
    """Return the text of a file, empty where there is none for us."""
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return ""
