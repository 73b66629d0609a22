"""Where uv and pip are told their package index: environment, uv.toml, pip's configuration.

Names no index itself: without a setting, the tool's own default is asked from the tool.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from ast import literal_eval
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tools.precompiled.errors import UnreachableError

DEFAULT_IN_HELP = re.compile(r"default:?\s+<?(https?://[^\s>)]+)")
PIP_SETTING = re.compile(r"^(?:global|install|download|:env:)\.(extra-)?index-url=(['\"].*)$", re.M)


def index_urls(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Return the configured indexes, the default first; an empty one is the tool's own."""
    first = environment.get("UV_DEFAULT_INDEX") or environment.get("UV_INDEX_URL") or ""
    more = f"{environment.get('UV_INDEX', '')} {environment.get('UV_EXTRA_INDEX_URL', '')}".split()
    for is_extra, value in [*_of_uv_files(environment), *_of_pip()]:
        if is_extra:
            more.append(value)
        else:
            first = first or value
    urls = [first, *(_unnamed(url) for url in more)]
    return tuple(dict.fromkeys(url.rstrip("/") for url in urls))


def _of_uv_files(environment: Mapping[str, str]) -> list[tuple[bool, str]]:
    """Return (is extra, URL) of uv.toml, the user's before the system's.

    Source: uv documentation, "Configuration files".
    """
    if environment.get("UV_NO_CONFIG"):
        return []
    home = Path(environment.get("XDG_CONFIG_HOME") or "~/.config").expanduser()
    named = environment.get("UV_CONFIG_FILE")
    files = [Path(named)] if named else [home / "uv" / "uv.toml", Path("/etc/uv/uv.toml")]
    return [setting for file in files if file.is_file() for setting in _of_uv(_toml(file))]


def _of_uv(settings: Mapping[str, Any]) -> list[tuple[bool, str]]:
    found = [(not entry.get("default"), entry["url"]) for entry in settings.get("index", [])]
    for table in (settings, settings.get("pip", {})):
        found += [(False, table["index-url"])] if "index-url" in table else []
        found += [(True, url) for url in table.get("extra-index-url", [])]
    return found


def _of_pip() -> list[tuple[bool, str]]:
    settings = PIP_SETTING.findall(_said(_pip(), "config", "list"))
    # pip prints Python literals: a list over several lines has \n in it.
    return [(bool(extra), url) for extra, value in settings for url in literal_eval(value).split()]


def _toml(file: Path) -> Mapping[str, Any]:
    # In here: a build environment on CPython 3.10 has no reader, and mostly no such file.
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        try:
            import tomli as tomllib
        except ImportError:
            raise UnreachableError(
                f"{file}: this Python needs tomli to read uv's settings; install it, or set "
                "UV_DEFAULT_INDEX and UV_NO_CONFIG=1"
            ) from None
    with file.open("rb") as opened:
        settings: Mapping[str, Any] = tomllib.load(opened)
    return settings


def own_default() -> str:
    """Return the index that the tool at hand uses when nothing is configured; its help names it."""
    uv = [path, "pip"] if (path := shutil.which("uv")) else []
    for command in (uv, _pip()):
        if match := DEFAULT_IN_HELP.search(_said(command, "install", "--help")):
            return match[1].rstrip("/")
    raise UnreachableError(
        "no package index: uv and pip are configured with none, and name no default; "
        "set UV_DEFAULT_INDEX or PIP_INDEX_URL"
    )


def _pip() -> list[str]:
    """Return the command of this interpreter's pip, or of another one where it has none."""
    own = [sys.executable, "-m", "pip"]
    if _said(own, "--version"):
        return own
    return [path] if (path := shutil.which("pip")) else []


def _said(command: Sequence[str], *arguments: str) -> str:
    """Return what the command printed, nothing when it failed or is not there."""
    if not command:
        return ""
    try:
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout if done.returncode == 0 else ""


def _unnamed(url: str) -> str:
    """Drop the name from uv's `name=url` form."""
    name, separator, rest = url.partition("=")
    return rest if separator and "/" not in name else url
