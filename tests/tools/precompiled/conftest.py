"""A committed checkout, a wheel, a cache and an installer over them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tools.precompiled.server import WheelServer
from tests.tools.precompiled.wheels import NEWER, make_checkout, make_installer, make_wheel
from tools.precompiled.install import Installer


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A git checkout with source-controlled interfaces and no binaries."""
    return make_checkout(tmp_path / "checkout")


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """A wheel with binaries, a built Python file, and copies of source-controlled files."""
    return make_wheel(tmp_path / "wheels")


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    """A second wheel: one file other, one the same, one more, one less."""
    return make_wheel(tmp_path / "wheels", NEWER, version="2.0")


@pytest.fixture
def installer(checkout: Path, tmp_path: Path) -> Installer:
    """An installer over the checkout with a cache of its own."""
    return make_installer(checkout, tmp_path / "cache")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[WheelServer]:
    """A loopback server of a folder's files."""
    folder = tmp_path / "served"
    folder.mkdir()
    with WheelServer(folder) as running:
        yield running
