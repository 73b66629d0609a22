"""One reading of requires-python: what is built and what is audited can't differ."""

from __future__ import annotations

import pytest

from tools.interpreters.versions import supported_versions
from tools.requires_python import NEWEST_MINOR
from tools.wheel.extensions import supported_minors


@pytest.mark.parametrize("specifier", [">=3.10", ">=3.10,<3.15", "~=3.11", "!=3.12.*,>=3.10"])
def test_the_build_and_the_audit_mean_the_same_versions(specifier: str) -> None:
    """Open bounds above all: both end at the newest CPython that is supported."""
    audited = tuple(f"{major}.{minor}" for major, minor in supported_minors(specifier))
    assert supported_versions(specifier) == audited
    assert all(minor <= NEWEST_MINOR for _, minor in supported_minors(specifier))
