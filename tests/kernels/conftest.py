"""Kernel tests: those marked `hopper` run on an sm_90 GPU and are skipped, visibly, elsewhere."""

from __future__ import annotations

import pytest
import torch

from tests import hopper

pytest_collection_modifyitems = hopper.pytest_collection_modifyitems


@pytest.fixture
def device() -> torch.device:
    return torch.device("cuda", torch.cuda.current_device())
