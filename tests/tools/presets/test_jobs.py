"""How many compilers at a time each machine bears."""

from __future__ import annotations

import pytest

from tests.tools.presets.machines import GIB
from tools.presets.jobs import Jobs
from tools.presets.machine import Machine


@pytest.mark.parametrize(
    ("cores", "gib", "architectures", "wanted", "expected"),
    [
        (2, 24, 1, None, (2, 2, 2, 2, 1)),
        (64, 64, 1, None, (64, 64, 64, 64, 1)),
        (64, 16, 1, None, (32, 32, 16, 16, 1)),
        (0.5, 24, 1, None, (1, 1, 1, 1, 1)),
        (64, 0.25, 1, None, (1, 1, 1, 1, 1)),
        (8, 64, 2, None, (8, 8, 4, 8, 2)),
        (64, 16, 9, None, (32, 32, 4, 16, 4)),
        (2, 1, 1, 7, (7, 7, 7, 7, 1)),
    ],
)
def test_jobs_fit_into_processors_and_memory(
    cores: float,
    gib: float,
    architectures: int,
    wanted: int | None,
    expected: tuple[int, ...],
) -> None:
    """One at least, less where memory is short, and a wish is taken at its word."""
    machine = Machine(cores=cores, memory=int(gib * GIB))
    jobs = Jobs.plan(machine, architectures=architectures, wanted=wanted)
    assert (jobs.all, jobs.compile, jobs.cuda, jobs.link, jobs.nvcc_threads) == expected


def test_pools_are_spelt_as_cmake_wants_them() -> None:
    """Names and depths, joined by semicolons."""
    machine = Machine(cores=4, memory=2 * GIB)
    assert Jobs.plan(machine).pools() == "compile=4;cuda=2;link=2"
