"""uv is found where it is, a shim only where there is nothing else, and runs without surprises."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools.interpreters.fakes import script, uv_log
from tools.interpreters.uv import UvMissingError, find_uv, run_uv, summarise


@pytest.fixture(autouse=True)
def _python_without_uv_beside_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "venv" / "bin" / "python"))


def test_the_uv_that_started_us_comes_first(fake_uv: Path, tmp_path: Path) -> None:
    """uvx and uv run set $UV."""
    script(tmp_path / "one" / "uv", "")
    assert find_uv({"UV": str(fake_uv), "PATH": f"{tmp_path}/one"}) == fake_uv


def test_a_stale_uv_variable_is_not_followed(fake_uv: Path, tmp_path: Path) -> None:
    """PATH serves then."""
    (tmp_path / "text").touch()
    for stale in ("gone", "text"):
        environ = {"UV": str(tmp_path / stale), "PATH": str(fake_uv.parent)}
        assert find_uv(environ) == fake_uv


def test_the_uv_of_this_environment_comes_before_path(fake_uv: Path, tmp_path: Path) -> None:
    """It was installed for us."""
    mine = script(tmp_path / "venv" / "bin" / "uv", "")
    assert find_uv({"PATH": str(fake_uv.parent)}) == mine


def test_a_shim_comes_last(fake_uv: Path, tmp_path: Path) -> None:
    """But it serves where it is all there is."""
    shim = script(tmp_path / "shims" / "uv", "")
    assert find_uv({"PATH": f"{shim.parent}:{fake_uv.parent}"}) == fake_uv
    assert find_uv({"PATH": f"{shim.parent}:{tmp_path}"}) == shim


def test_a_machine_without_uv_is_told_how_to_get_it(tmp_path: Path) -> None:
    """The next command is in the error."""
    with pytest.raises(UvMissingError, match="python3 -m pip install uv"):
        find_uv({"PATH": str(tmp_path)})


def test_settings_that_would_spoil_a_bare_environment_are_not_handed_on(
    environ: dict[str, str], fake_uv: Path
) -> None:
    """No seed packages, no folder cleared, no other Python."""
    unwanted = {"UV_VENV_SEED": "1", "UV_VENV_CLEAR": "1", "UV_PYTHON": "3.9"}
    run_uv(fake_uv, "python", "dir", environ={**environ, **unwanted, "UV_CACHE_DIR": "/c"})
    (call,) = uv_log(fake_uv)
    assert unwanted.keys().isdisjoint(call["environ"])
    assert call["environ"]["UV_CACHE_DIR"] == "/c"


@pytest.mark.parametrize(
    ("stderr", "line"),
    [
        ("error: a\n  cause: b\n  cause: c\n", "error: a; cause: c"),
        ("error: a", "error: a"),
        ("", "exit 2"),
    ],
)
def test_a_failure_fits_on_one_line(stderr: str, line: str) -> None:
    """The first line says what, the last says why."""
    done = subprocess.CompletedProcess([], 2, stdout="", stderr=stderr)
    assert summarise(done) == line
