"""Prove a precompiled install on a scratch clone: sources unharmed, binaries there, all of it
undone.

And prove the proof: with protection switched off in a second clone, the same check has to fail.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from tools import console
from tools.errors import ToolError, exit_with
from tools.interpreters.uv import find_uv
from tools.place_binaries import NoWheelError, newest
from tools.precompiled.source import Source, locate_wheel

ROOT = Path(__file__).resolve().parents[1]
PROBE = ROOT / "tools" / "precompiled_import_probe.py"
# What the check edits before it installs, as a user would.
EDITED = (
    "vllm/vllm_flash_attn/*.py",
    "vllm/third_party/deep_gemm/*.py",
)
MEMBERS = ("vllm/third_party/deep_gemm/*", "vllm/vllm_flash_attn/*")
EDIT = "# an edit of the user's\n"
# Switches the protection off in the clone of the counter-proof.
UNPROTECTED = """
Checkout.protects = lambda self, path: False
Checkout.case_rival = lambda self, path: ""
Checkout.only_built = lambda self, paths: frozenset(paths)
"""


class CheckFailedError(ToolError):
    """Don't ship this: an install harms a checkout, or the check cannot see harm."""

    exit_code: ClassVar[int] = 49


@dataclass(frozen=True, kw_only=True)
class Scratch:
    """A clone of this working tree, a bare environment, and what an install there is told."""

    clone: Path
    python: Path
    settings: Mapping[str, str]

    @property
    def environment(self) -> dict[str, str]:
        """The environment of every command in the clone."""
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        return {**kept, **self.settings}


@dataclass(kw_only=True)
class Outcome:
    """What was found wrong, and a row for each thing that was looked at."""

    findings: list[str] = field(default_factory=list)
    rows: list[tuple[str, str]] = field(default_factory=list)

    def expect(self, what: str, holds: bool, finding: str) -> None:
        """Note that `what` holds, or what was found instead."""
        self.rows.append((what, "ok" if holds else "FAIL"))
        if not holds:
            self.findings.append(f"{what}: {finding}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the check with a wheel, then its counter-proof."""
    options = _parse(arguments)
    wheel = options.wheel or str(newest(ROOT / "dist"))
    if Source.parse(wheel).kind == "wheel":
        place = locate_wheel(wheel).place
        if isinstance(place, Path) and not place.is_file():
            raise NoWheelError(
                f"--wheel {wheel}: expected a wheel, found no such file; name another"
            )
    members = options.members or MEMBERS
    with tempfile.TemporaryDirectory(prefix="precompiled-") as name:
        folder = Path(name)
        with console.step(f"install {wheel} into a scratch clone"):
            scratch = _make_scratch(folder / "proof", wheel, members, options.more)
            outcome = check(scratch)
        with console.step("counter-proof: the same with protection switched off"):
            harmed = counter_proof(folder / "counter-proof", scratch)
    outcome.expect("counter-proof", bool(harmed), "protection was off and the check saw no harm")
    if options.json:
        print(json.dumps({"wheel": wheel, "checks": dict(outcome.rows)}, indent=1))
    else:
        console.table("precompiled install", ("check", "result"), outcome.rows)
    if outcome.findings:
        raise CheckFailedError("\n  ".join([f"{wheel}: the check failed:", *outcome.findings]))
    return 0


def check(scratch: Scratch) -> Outcome:
    """Install twice, verify, import and remove; return what was found."""
    outcome, clone = Outcome(), scratch.clone
    before, sources = _tree(clone), _sources(clone)
    _install(scratch)
    _expect_sources(outcome, "source files after the install", clone, sources)
    installed = _installed(scratch)
    outcome.expect("binaries are there", bool(installed), "the manifest names no file")
    verified = _precompiled(scratch, "verify")
    outcome.expect("verify", verified.returncode == 0, verified.stdout + verified.stderr)
    _expect_imports(outcome, scratch, installed)
    # Order: offline proves that the second install needs no byte.
    again = _install(scratch, {"VLLM_PRECOMPILED_OFFLINE": "1"})
    outcome.expect("second install fetches nothing", _installed(scratch) == installed, again)
    _expect_sources(outcome, "source files after the second install", clone, sources)
    removed = _precompiled(scratch, "remove")
    left = sorted(path for path, digest in _tree(clone).items() if before.get(path) != digest)
    gone = sorted(before.keys() - _tree(clone).keys())
    outcome.expect(
        "remove restores the state before",
        removed.returncode == 0 and not left and not gone,
        f"{removed.stderr} left: {', '.join(left)}; gone: {', '.join(gone)}",
    )
    return outcome


def counter_proof(folder: Path, proven: Scratch) -> list[str]:
    """Return what the check finds where the clone's own protection is switched off."""
    clone = _clone(folder)
    with (clone / "tools" / "precompiled" / "checkout.py").open("a") as file:
        file.write(UNPROTECTED)
    settings = {**proven.settings, "VLLM_PRECOMPILED_REPLACE": "1"}
    scratch = Scratch(clone=clone, python=proven.python, settings=settings)
    outcome, sources = Outcome(), _sources(clone)
    _install(scratch)
    _expect_sources(outcome, "source files", clone, sources)
    return outcome.findings


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="precompiled_install_check", description=main.__doc__)
    parser.add_argument("--wheel", help="path, URL or requirement; default: the newest in dist/")
    parser.add_argument("--members", action="append", metavar="PATTERN", help="only these paths")
    parser.add_argument(
        "--with",
        action="append",
        default=[],
        dest="more",
        metavar="REQUIREMENT",
        help="also in the bare environment, e.g. torch==2.11.0 for binaries that need it",
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    return parser.parse_args(arguments)


def _make_scratch(folder: Path, wheel: str, members: Sequence[str], more: Sequence[str]) -> Scratch:
    clone, venv = _clone(folder), folder / "venv"
    python = venv / "bin" / "python"
    uv = str(find_uv(os.environ))
    _run([uv, "venv", "-q", "--python", sys.executable, str(venv)], cwd=folder)
    # The build requirements that a precompiled install has, which compiles nothing; our commands'.
    needs = ["setuptools", "packaging", "rich", *more]
    _run([uv, "pip", "install", "-q", "-p", str(python), *needs], cwd=folder)
    path = Path(wheel)
    settings = {
        "VLLM_USE_PRECOMPILED": "1",
        "VLLM_PRECOMPILED_WHEEL_LOCATION": str(path.resolve()) if path.is_file() else wheel,
        "VLLM_PRECOMPILED_MEMBERS": ",".join(members),
    }
    return Scratch(clone=clone, python=python, settings=settings)


def _clone(folder: Path) -> Path:
    """Clone the checkout with the working tree's changes committed, then edit source files."""
    clone = folder / "clone"
    folder.mkdir(parents=True)
    _run(["git", "clone", "-q", str(ROOT), str(clone)], cwd=folder)
    changed = _git(ROOT, "diff", "--name-only", "-z", "HEAD")
    added = _git(ROOT, "ls-files", "-z", "--others", "--exclude-standard")
    for path in filter(None, (changed + added).split("\0")):
        (clone / path).unlink(missing_ok=True)
        if (ROOT / path).is_file():
            (clone / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / path, clone / path)
    who = (
        "-c",
        "user.name=check",
        "-c",
        "user.email=check@localhost",
        "-c",
        "commit.gpgsign=false",
    )
    _git(clone, "add", "-A")
    _git(clone, *who, "commit", "-q", "--allow-empty", "-m", "the working tree")
    for edited in (found for pattern in EDITED for found in clone.glob(pattern)):
        with edited.open("a") as file:
            file.write(EDIT)
    return clone


def _install(scratch: Scratch, more: Mapping[str, str] | None = None) -> str:
    """Run the real install command and return what it said."""
    uv = str(find_uv(os.environ))
    options = ("--no-build-isolation", "--no-deps", "--reinstall-package", "vllm-deepgemm", "-v")
    command = [uv, "pip", "install", "-p", str(scratch.python), *options, "-e", "."]
    return _run(command, cwd=scratch.clone, environment={**scratch.environment, **(more or {})})


def _precompiled(scratch: Scratch, command: str) -> subprocess.CompletedProcess[str]:
    """Run one of our own commands on the clone."""
    return subprocess.run(
        [str(scratch.python), "-m", "tools.precompiled", command, "--json"],
        cwd=scratch.clone,
        env=scratch.environment,
        capture_output=True,
        text=True,
        check=False,
    )


def _installed(scratch: Scratch) -> list[str]:
    state = json.loads(_precompiled(scratch, "status").stdout or "{}")
    files = state.get("files", [])
    assert isinstance(files, list)
    return [path for path in files if (scratch.clone / path).is_file()]


def _expect_sources(outcome: Outcome, what: str, clone: Path, sources: dict[str, str]) -> None:
    now = _sources(clone)
    changed = sorted(path for path in sources if now.get(path) != sources[path])
    outcome.expect(what, not changed, f"changed: {', '.join(changed)}")


def _expect_imports(outcome: Outcome, scratch: Scratch, installed: Sequence[str]) -> None:
    """Import each binary, and ask where each tracked module would be imported from."""
    modules = _git(scratch.clone, "ls-files", "vllm").splitlines()
    question = json.dumps({"binaries": list(installed), "modules": modules})
    command = [str(scratch.python), "-I", str(PROBE), str(scratch.clone), question]
    answer = json.loads(_run(command, cwd=scratch.clone.parent))
    outcome.expect(
        "imported paths are the checkout's", not answer["strange"], ", ".join(answer["strange"])
    )
    broken = [f"{name}: {error}" for name, error in answer["broken"].items()]
    outcome.expect("binaries import", not broken, "; ".join(broken))
    for name in answer["imported"]:
        outcome.rows.append((f"import {name}", "ok"))
    for name, reason in answer["skipped"].items():
        outcome.rows.append((f"import {name}", f"skipped: {reason}"))


def _sources(clone: Path) -> dict[str, str]:
    tracked = _git(clone, "ls-files", "-z").split("\0")
    return {path: _digest(clone / path) for path in tracked if (clone / path).is_file()}


def _tree(clone: Path) -> dict[str, str]:
    """Return the digest of every file but git's, bytecode and what setuptools leaves."""
    return {path: _digest(clone / path) for path in _files(clone)}


def _files(clone: Path) -> Iterator[str]:
    for path in sorted(clone.rglob("*")):
        parts = path.relative_to(clone).parts
        ours = parts[0] not in {".git", "build"} and not parts[0].endswith(".egg-info")
        if path.is_file() and ours and "__pycache__" not in parts:
            yield "/".join(parts)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _git(root: Path, *arguments: str) -> str:
    return _run(["git", *arguments], cwd=root)


def _run(command: Sequence[str], *, cwd: Path, environment: Mapping[str, str] | None = None) -> str:
    """Return what a command printed. Raises: CheckFailedError with its own words."""
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise CheckFailedError(
            f"{' '.join(command[:4])}: exit code {done.returncode}\n{done.stderr}"
        )
    return done.stdout


if __name__ == "__main__":
    exit_with(main)
