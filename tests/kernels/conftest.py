"""Kernel tests: those marked `hopper` run on an sm_90 GPU and are skipped, visibly, elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from tests.kernels.configurations import Configuration, forced


def _missing_gpu() -> str | None:
    if not torch.cuda.is_available():
        return "needs sm_90, found none"
    major, minor = torch.cuda.get_device_capability()
    return None if (major, minor) == (9, 0) else f"needs sm_90, found sm_{major}{minor}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = _missing_gpu()
    for item in items:
        if reason and item.get_closest_marker("hopper"):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def device() -> torch.device:
    return torch.device("cuda", torch.cuda.current_device())


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what takes a `config` on each of its module's CONFIGURATIONS."""
    if "config" in metafunc.fixturenames:
        metafunc.parametrize("config", metafunc.module.CONFIGURATIONS, ids=str, indirect=True)


@pytest.fixture
def config(request: pytest.FixtureRequest) -> Iterator[Configuration]:
    """Each configuration in turn, the only one that the library may choose meanwhile."""
    with forced(request.param) as configuration:
        yield configuration
