"""One quick attempt to bring what is missing with `uv python install`; a failure costs little."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tools.interpreters.uv import run_uv, summarise

LIMIT_S = 6.0  # for all versions together: a build should not hang where there is no network


def refusal(environ: Mapping[str, str]) -> str:
    """Say which setting of the user forbids downloads; "" when none does."""
    if environ.get("UV_OFFLINE", "").lower() in {"1", "true", "yes", "on", "y", "t"}:
        return "no download: UV_OFFLINE is set"
    if environ.get("UV_PYTHON_DOWNLOADS", "").lower() in {"never", "false", "0"}:
        return "no download: UV_PYTHON_DOWNLOADS says never"
    return ""


def command(versions: Sequence[str]) -> tuple[str, ...]:
    """Return uv's arguments: into uv's own folder, no links in the user's bin folder."""
    return ("python", "install", "--no-bin", *versions)


def attempt(
    versions: Sequence[str], *, uv: Path, environ: Mapping[str, str], limit_s: float = LIMIT_S
) -> str:
    """Try to install the versions once; return "" when uv did, else what was tried and its end."""
    refused = refusal(environ)
    if refused:
        return refused
    tried = f"uv {' '.join(command(versions))}"
    once = {**environ, "UV_HTTP_RETRIES": "0"}  # uv's own three retries take 8 s without a network
    try:
        done = run_uv(uv, *command(versions), environ=once, limit_s=limit_s)
    except subprocess.TimeoutExpired:
        return f"{tried}: not done in {limit_s:g} s; run it yourself if the network is slow"
    except OSError as problem:
        return f"{tried}: {problem}"
    return "" if done.returncode == 0 else f"{tried}: {summarise(done)}"
