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
# Benchmarks that need none.
TORCHLESS = ("build_cost", "precompiled")


@nox.session(default=False, tags=["build"])
def build_deepgemm(session: nox.Session) -> None:
    """Build one wheel for every CPython, audit it, import it in each; options: -- --help."""
    install(session, "tools")
    upstream = os.environ.get("DEEPGEMM_SRC_DIR") or "--source" in " ".join(session.posargs)
    if upstream and not is_bare(session) and not os.environ.get("DEEPGEMM_TORCH"):
        session.install(TORCH)  # for its headers and libraries: with CUDA, so not by install()
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
    install(session, "tools")
    parser = argparse.ArgumentParser(prog="nox -s lint --", allow_abbrev=False)
    parser.add_argument("--fix", action="store_true", help="rewrite files where a tool can")
    options, paths = parser.parse_known_args(session.posargs)
    fix = options.fix
    session.run("ruff", "check", *(["--fix"] if fix else []), *(paths or ["."]))
    session.run("ruff", "format", *([] if fix else ["--check"]), *(paths or ["."]))
    sources = tracked("*.cpp", "*.hpp", "*.cu", "*.cuh", "*.def")
    session.run("clang-format", *(["-i"] if fix else ["--dry-run", "-Werror"]), *sources)
    session.run("shellcheck", *tracked("*.sh", ".ci/run"))
    session.run("python", "-m", "tools.buildkite", "lint")


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


@nox.session(default=False, tags=["gpu"])
def h100_kernels(session: nox.Session) -> None:
    """Install -- --wheel FILE, else one built here, and run the H100 step of kernels.yaml."""
    parser = argparse.ArgumentParser(prog="nox -s h100_kernels --", allow_abbrev=False)
    parser.add_argument("--wheel", type=Path)
    options, rest = parser.parse_known_args(session.posargs)
    install(session, "tools")
    step = ("python", "-m", "tools.buildkite", "run", "kernels-deepgemm-h100", *rest)
    session.run(*step, "--dry-run")  # a missing device is said before minutes of work
    if not is_bare(session):  # torch with CUDA, so not by install()
        session.install(*nox.project.dependency_groups(PYPROJECT, "test"), "pip", TORCH)
    if options.wheel is None:
        session.run("python", "-m", "tools.build_deepgemm", *build_options(session))
        built = (ROOT / "dist").glob("vllm_deepgemm-*.whl")
        options.wheel = max(built, key=lambda wheel: wheel.stat().st_mtime)
    wheel = str(options.wheel)
    install_it = ("python", "-m", "pip", "install", "--no-deps", "--no-index", "--force-reinstall")
    session.run(*install_it, wheel)
    session.run("python", "-m", "tools.place_binaries", wheel)  # pytest looks in the checkout first
    session.run(*step)


@nox.session(default=False, tags=["check"])
def doctor(session: nox.Session) -> None:
    """Say in one table what this machine has for a build and what to do; -- --json."""
    install(session, "tools")
    yours = {"VIRTUAL_ENV": os.environ.get("VIRTUAL_ENV", "")}  # not the session's
    session.run("python", "-m", "tools.doctor", *session.posargs, env=yours, stderr=sys.stderr)


@nox.session(default=False, tags=["ci"])
def ci(session: nox.Session) -> None:
    """Look at the CI steps or run them: -- list|explain|run|lint|emit."""
    install(session, "tools")
    session.run("python", "-m", "tools.buildkite", *session.posargs)


@nox.session(default=False, tags=["bench"])
def bench(session: nox.Session) -> None:
    """Run one benchmark: -- NAME [its options], a file of benchmarks/."""
    names = sorted(path.stem for path in (ROOT / "benchmarks").glob("*.py"))
    if not session.posargs or session.posargs[0] not in names:
        session.error(f"nox -s bench -- NAME: expected one of {', '.join(names)}")
    install(session, "bench", *(() if session.posargs[0] in TORCHLESS else (TORCH,)))
    session.run("python", f"benchmarks/{session.posargs[0]}.py", *session.posargs[1:])


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
