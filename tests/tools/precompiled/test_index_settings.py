"""Tests of finding out which package index uv and pip are told to use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tools.precompiled import index_settings
from tools.precompiled.index_settings import index_urls

Pip = Callable[[str], None]


@pytest.fixture(autouse=True)
def pip(monkeypatch: pytest.MonkeyPatch) -> Pip:
    """A pip that prints these settings, none at first."""

    def say(settings: str) -> None:
        monkeypatch.setattr(index_settings, "_said", lambda command, *rest: settings)

    say("")
    return say


def test_settings_of_uv_go_before_those_of_pip(pip: Pip) -> None:
    """The first is the default index; extra ones follow, names dropped, no repetition."""
    pip("global.index-url='http://pip/simple'\n:env:.extra-index-url='http://more/simple'\n")
    none = {"UV_NO_CONFIG": "1"}
    assert index_urls(none) == ("http://pip/simple", "http://more/simple")
    uv = {**none, "UV_DEFAULT_INDEX": "http://uv/simple/", "UV_INDEX": "n=http://third/simple"}
    assert index_urls(uv) == ("http://uv/simple", "http://third/simple", "http://more/simple")


def test_nothing_configured_is_the_tools_own_index() -> None:
    """An empty first index asks for the default."""
    assert index_urls({"UV_NO_CONFIG": "1"}) == ("",)


def test_uv_files_are_read(tmp_path: Path) -> None:
    """Both spellings of uv.toml; the environment goes first."""
    file = tmp_path / "uv" / "uv.toml"
    file.parent.mkdir()
    file.write_text(
        '[[index]]\nurl = "http://extra/simple"\n'
        '[[index]]\nurl = "http://file/simple"\ndefault = true\n'
        '[pip]\nextra-index-url = ["http://pip-extra/simple"]\n'
    )
    settings = {"XDG_CONFIG_HOME": str(tmp_path)}
    found = ("http://file/simple", "http://extra/simple", "http://pip-extra/simple")
    assert index_urls(settings)[:3] == found
    named = {"UV_CONFIG_FILE": str(file), "UV_INDEX_URL": "http://first/simple"}
    assert index_urls(named)[0] == "http://first/simple"


def test_a_password_in_a_url_is_not_taken_for_a_name() -> None:
    """Only `name=url` is split."""
    url = "http://u:p@host/simple?a=b"
    assert index_urls({"UV_NO_CONFIG": "1", "UV_DEFAULT_INDEX": url, "UV_INDEX": url}) == (url,)


def test_several_lines_of_pip_are_several_indexes(pip: Pip) -> None:
    """Pip prints such a list as a literal, in the quotes that its text allows."""
    pip(r"""global.extra-index-url='\nhttp://a/simple\nhttp://b/simple'""" + "\n")
    assert index_urls({"UV_NO_CONFIG": "1"}) == ("", "http://a/simple", "http://b/simple")
