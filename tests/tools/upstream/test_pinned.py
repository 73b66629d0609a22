"""The pinned commit, fetched by git from a repository with submodules."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.cmake.upstream import write_upstream
from tests.tools.upstream.test_checkout import git
from tools.upstream.checkout import SUBMODULES, Upstream
from tools.upstream.pinned import NotFetchedError, fetch_pinned, read_pin


@pytest.fixture
def pin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """A repository that has its submodules as upstream has them, and its commit."""
    whole = write_upstream(tmp_path / "DeepGEMM")
    config = {"protocol.file.allow": "always", "uploadpack.allowAnySHA1InWant": "true"}
    monkeypatch.setenv("GIT_CONFIG_COUNT", str(len(config)))
    for number, (name, value) in enumerate(config.items()):
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{number}", name)
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{number}", value)
    git(whole, "init", "-q")
    for name in SUBMODULES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (whole / name).rename(tmp_path / name)
        git(tmp_path / name, "init", "-q")
        git(tmp_path / name, "add", "-A")
        git(tmp_path / name, "commit", "-qm", "all")
        git(whole, "submodule", "add", "-q", f"file://{tmp_path / name}", name)
    git(whole, "add", "-A")
    git(whole, "commit", "-qm", "all")
    return f"file://{whole}", git(whole, "rev-parse", "HEAD")


def test_the_pin_is_one_line_of_repository_and_commit() -> None:
    """A branch would be another source tomorrow."""
    repository, commit = read_pin()
    assert repository.startswith("https://")
    assert re.fullmatch(r"[0-9a-f]{40}", commit)


def test_the_commit_is_fetched_once_with_its_submodules(
    tmp_path: Path, pin: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a complete checkout, and the next build asks nobody."""
    checkout = fetch_pinned(tmp_path / "build", pin)
    assert Upstream.read(checkout).commit == pin[1]
    monkeypatch.setenv("PATH", "")
    assert fetch_pinned(tmp_path / "build", pin) == checkout


def test_a_fetch_that_fails_leaves_nothing_of_that_name(
    tmp_path: Path, pin: tuple[str, str]
) -> None:
    """What a broken network left is completed by the next attempt."""
    _, commit = pin
    subprocess.run(["mv", str(tmp_path / "third-party"), str(tmp_path / "away")], check=True)
    with pytest.raises(NotFetchedError, match=r"submodule update .*--source DIR"):
        fetch_pinned(tmp_path / "build", pin)
    assert not (tmp_path / "build" / commit).exists()
    subprocess.run(["mv", str(tmp_path / "away"), str(tmp_path / "third-party")], check=True)
    assert Upstream.read(fetch_pinned(tmp_path / "build", pin)).commit == commit
