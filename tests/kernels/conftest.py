"""Kernel tests: those marked `hopper` run on an sm_90 GPU and are skipped, visibly, elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from tests import hopper
from tests.kernels.configurations import Configuration, forced

pytest_collection_modifyitems = hopper.pytest_collection_modifyitems


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
