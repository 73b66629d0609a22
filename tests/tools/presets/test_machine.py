"""Processors and memory as Linux accounts for them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.tools.presets.machines import GIB, linux
from tools.presets.machine import Machine

MEMINFO = f"MemTotal:       {24 << 20} kB\nMemFree: 1 kB\n"
V2 = "0::/build/job\n"
V1 = "4:memory:/build\n3:cpu,cpuacct:/build\n0::/\n"


@pytest.mark.parametrize(
    ("files", "cores", "gib"),
    [
        ({}, 8, 24),
        ({"sys/fs/cgroup/build/job/cpu.max": "50000 100000\n"}, 0.5, 24),
        ({"sys/fs/cgroup/build/job/cpu.max": "max 100000\n"}, 8, 24),
        ({"sys/fs/cgroup/build/cpu.max": "200000 100000"}, 2, 24),
        ({"sys/fs/cgroup/cpu.max": "300000 100000"}, 3, 24),
        ({"sys/fs/cgroup/build/job/cpu.max": "1600000 100000"}, 8, 24),
        ({"sys/fs/cgroup/build/job/memory.max": f"{2 * GIB}\n"}, 8, 2),
        ({"sys/fs/cgroup/build/job/memory.max": "max\n"}, 8, 24),
        ({"sys/fs/cgroup/build/memory.max": f"{64 * GIB}\n"}, 8, 24),
    ],
)
def test_version_two_limits_by_the_least_of_all_groups_around(
    files: dict[str, str], cores: float, gib: int, tmp_path: Path
) -> None:
    """A quota or limit of any group above counts, and none raises what the machine has."""
    root = linux(tmp_path, {"proc/meminfo": MEMINFO, "proc/self/cgroup": V2, **files})
    assert Machine.read(root, affinity=8) == Machine(cores=cores, memory=gib * GIB)


@pytest.mark.parametrize(
    ("files", "cores", "gib"),
    [
        ({"cpu/build/cpu.cfs_quota_us": "50000", "cpu/build/cpu.cfs_period_us": "100000"}, 0.5, 24),
        ({"cpu,cpuacct/cpu.cfs_quota_us": "1", "cpu,cpuacct/cpu.cfs_period_us": "2"}, 0.5, 24),
        ({"cpu/build/cpu.cfs_quota_us": "-1", "cpu/build/cpu.cfs_period_us": "100000"}, 8, 24),
        ({"memory/build/memory.limit_in_bytes": f"{3 * GIB}\n"}, 8, 3),
        ({"memory/build/memory.limit_in_bytes": "9223372036854771712\n"}, 8, 24),
        ({"memory/memory.limit_in_bytes": f"{3 * GIB}\n"}, 8, 3),
    ],
)
def test_version_one_limits_by_controller(
    files: dict[str, str], cores: float, gib: int, tmp_path: Path
) -> None:
    """Joined and single controllers, no limit at all, and a container that sees its mount only."""
    placed = {f"sys/fs/cgroup/{name}": text for name, text in files.items()}
    root = linux(tmp_path, {"proc/meminfo": MEMINFO, "proc/self/cgroup": V1, **placed})
    assert Machine.read(root, affinity=8) == Machine(cores=cores, memory=gib * GIB)


def test_this_machine_answers() -> None:
    """The real files can be read, and affinity bounds the processors."""
    machine = Machine.read()
    assert 0 < machine.cores <= len(os.sched_getaffinity(0))
    assert machine.memory > 0
