"""Sessions: an environment and one command each; `nox --list` shows them.

With --no-venv a session installs nothing and runs in the environment that nox itself runs in.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nox
from nox.virtualenv import PassthroughEnv

nox.needs_version = ">=2025.10.16"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"
nox.options.error_on_external_run = True

ROOT = Path(__file__).resolve().parent
PYPROJECT = nox.project.load_toml(ROOT / "pyproject.toml")
# The CPU build: kernels need a GPU machine, everything else of torch's is the same.
TORCH = "torch==2.13.0"


@nox.session(default=False, tags=["build"])
def build_deepgemm(session: nox.Session) -> None:
    """Build one wheel for every CPython, audit it, import it in each; options: -- --help."""
    install(session, "tools")
    command = ("python", "-m", "tools.build_deepgemm", *build_options(session), *session.posargs)
    session.run(*command, stderr=sys.stderr)  # apart from stdout, where --json prints


@nox.session(python="3.11", tags=["test"])
def tests(session: nox.Session) -> None:
    """Run pytest on the checkout with the newest wheel's binaries; -- takes pytest's options."""
    install(session, "test", TORCH)
    if not is_bare(session):  # there, the wheel was brought along
        session.run("python", "-m", "tools.build_deepgemm", silent=True)
    session.run("python", "-m", "tools.place_binaries")
    session.run("python", "-m", "pytest", *session.posargs)


@nox.session(tags=["check"])
def lint(session: nox.Session) -> None:
    """Check style: ruff, clang-format and shellcheck over the tracked files; -- --fix mends it."""
    install(session, "lint")
    parser = argparse.ArgumentParser(prog="nox -s lint --", allow_abbrev=False)
    parser.add_argument("--fix", action="store_true", help="rewrite files where a tool can")
    options, paths = parser.parse_known_args(session.posargs)
    fix = options.fix
    session.run("ruff", "check", *(["--fix"] if fix else []), *(paths or ["."]))
    session.run("ruff", "format", *([] if fix else ["--check"]), *(paths or ["."]))
    sources = tracked("*.cpp", "*.hpp", "*.cu", "*.cuh", "*.def")
    session.run("clang-format", *(["-i"] if fix else ["--dry-run", "-Werror"]), *sources)
    session.run("shellcheck", *tracked("*.sh", ".ci/run"))


@nox.session(tags=["check"])
def typing(session: nox.Session) -> None:
    """Check types: mypy, strict, over all Python files."""
    install(session, "typing")
    session.run("mypy", *session.posargs)


@nox.session(default=False, tags=["check"])
def precompiled_install_check(session: nox.Session) -> None:
    """Prove on a scratch clone that precompiled binaries harm no source file; -- --wheel WHEEL."""
    install(session, "tools")
    session.run("python", "-m", "tools.precompiled_install_check", *session.posargs)


@nox.session(default=False, tags=["bench"])
def precompiled(session: nox.Session) -> None:
    """Measure first, repeated and offline installs against a whole download; options: -- --help."""
    install(session, "tools")
    session.run("python", "benchmarks/precompiled.py", *session.posargs)


@nox.session(default=False, tags=["bench"])
def build_cost(session: nox.Session) -> None:
    """Measure what one more interpreter costs, our way and the usual way; options: -- --help."""
    install(session, "bench")
    session.run("python", "benchmarks/build_cost.py", *session.posargs)


def install(session: nox.Session, group: str, *more: str) -> None:
    """Install a dependency group of pyproject.toml, unless the session has no environment."""
    if is_bare(session):
        return
    from_index = TORCH in more and session.venv_backend == "uv" and not carries_torch()
    options = ("--torch-backend", "cpu") if from_index else ()
    session.install(*nox.project.dependency_groups(PYPROJECT, group), *more, *options)


def carries_torch() -> bool:
    """Whether a folder that uv is told of holds torch; the index's own is a CUDA build."""
    folders = os.environ.get("UV_FIND_LINKS", "").split(",")
    return any(any(Path(folder).glob("torch-*.whl")) for folder in folders if folder)


def is_bare(session: nox.Session) -> bool:
    """Whether the session runs in the environment of nox itself."""
    return isinstance(session.virtualenv, PassthroughEnv)


def build_options(session: nox.Session) -> list[str]:
    """Return what a session without an environment needs: it cannot fetch build requirements."""
    return ["--no-build-isolation"] if is_bare(session) else []


def tracked(*patterns: str) -> list[str]:
    """List the tracked files that a pattern names."""
    command = ["git", "ls-files", *patterns]
    return subprocess.run(
        command, cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()


def bring_uv() -> None:
    """Let every tool find the uv that started us, and uv find the wheels that pip is told of."""
    uv = shutil.which(os.environ.get("UV") or "uv")
    if uv:
        os.environ.setdefault("UV", uv)
    links = os.environ.get("PIP_FIND_LINKS", "").split()
    if links:
        os.environ.setdefault("UV_FIND_LINKS", ",".join(links))


bring_uv()
