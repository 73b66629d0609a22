"""What is missing is tried once, quickly, and only where the user lets us."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools.interpreters.fakes import uv_log
from tools.interpreters.download import attempt


def test_one_command_for_all_versions_without_retries(
    environ: dict[str, str], fake_uv: Path, tmp_path: Path
) -> None:
    """Into uv's own folder; no links in the user's bin folder."""
    (fake_uv.parent / "store").mkdir()
    assert attempt(["3.12", "3.14"], uv=fake_uv, environ=environ) == ""
    (call,) = uv_log(fake_uv)
    assert call["arguments"] == ["--no-progress", "python", "install", "--no-bin", "3.12", "3.14"]
    assert call["environ"]["UV_HTTP_RETRIES"] == "0"


def test_a_failure_is_told_with_its_cause(environ: dict[str, str], fake_uv: Path) -> None:
    """On one line: the command, the error and the end of its causes."""
    tried = attempt(["3.14"], uv=fake_uv, environ=environ)
    assert tried == "uv python install --no-bin 3.14: error: no network; cause: no route"


def test_a_slow_network_is_not_waited_for(environ: dict[str, str], fake_uv: Path) -> None:
    """The limit is for all versions together."""
    environ["FAKE_SLOW"] = "30"
    tried = attempt(["3.14"], uv=fake_uv, environ=environ, limit_s=0.3)
    assert "not done in 0.3 s" in tried


@pytest.mark.parametrize(
    ("name", "value"),
    [("UV_OFFLINE", "1"), ("UV_OFFLINE", "true"), ("UV_PYTHON_DOWNLOADS", "never")],
)
def test_settings_of_the_user_are_respected(
    environ: dict[str, str], fake_uv: Path, name: str, value: str
) -> None:
    """uv isn't even started."""
    environ[name] = value
    assert attempt(["3.14"], uv=fake_uv, environ=environ).startswith(f"no download: {name}")
    assert uv_log(fake_uv) == []


@pytest.mark.parametrize("settings", [{"UV_OFFLINE": "0"}, {"UV_PYTHON_DOWNLOADS": "manual"}])
def test_settings_that_allow_downloads_do(
    environ: dict[str, str], fake_uv: Path, settings: dict[str, str]
) -> None:
    """`manual` means: by an explicit command, which this is."""
    attempt(["3.14"], uv=fake_uv, environ={**environ, **settings})
    assert len(uv_log(fake_uv)) == 1
