"""Tests marked `hopper` run on an sm_90 GPU and are skipped, visibly, elsewhere."""

from __future__ import annotations

import pytest
import torch


def _missing_gpu() -> str | None:
    if not torch.cuda.is_available():
        return "needs sm_90, found none"
    major, minor = torch.cuda.get_device_capability()
    return None if (major, minor) == (9, 0) else f"needs sm_90, found sm_{major}{minor}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Pytest calls it by this name in each conftest that imports it."""
    reason = _missing_gpu()
    for item in items:
        if reason and item.get_closest_marker("hopper"):
            item.add_marker(pytest.mark.skip(reason=reason))
