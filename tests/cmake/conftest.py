"""Miniatures of the tree, laid out once a module."""

from __future__ import annotations

import pytest

from tests.cmake.tree import Tree, lay_out


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """A miniature that is built; tests of a module share it and leave it built."""
    tree = lay_out(tmp_path_factory.mktemp("tree"))
    configured = tree.configure()
    assert configured.returncode == 0, configured.stdout
    made = tree.ninja()
    assert made.returncode == 0, made.stdout
    return tree
