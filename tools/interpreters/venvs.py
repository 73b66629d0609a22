"""Bare virtual environments, one per interpreter: made by `uv venv`, kept while they match."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal

from tools.errors import ToolError
from tools.interpreters.facts import Interpreter
from tools.interpreters.search import Found
from tools.interpreters.uv import find_uv, run_uv, summarise

WORKERS = 4
# Relocatable, so that its scripts still name the right folder once it has been renamed.
OPTIONS = ("--no-project", "--no-python-downloads", "--relocatable")


class VenvRefusedError(ToolError):
    """Choose another folder for the virtual environments, or mend what uv complains about."""

    exit_code: ClassVar[int] = 15


@dataclass(frozen=True, kw_only=True)
class Venv:
    """One environment to be, its interpreter, and what has to happen to its folder."""

    folder: Path
    base: Interpreter
    action: Literal["keep", "make", "remake"]

    @property
    def interpreter(self) -> Interpreter:
        """The facts of the environment's own executable: those of its base."""
        return replace(self.base, executable=self.folder / "bin" / "python")


def make_venvs(
    found: Found, directory: Path, *, environ: Mapping[str, str] | None = None
) -> tuple[Interpreter, ...]:
    """Bring the environments of a search up to date and return their interpreters, in its order.

    Raises: VenvRefusedError, UvMissingError.
    """
    plan = plan_venvs(found, directory)
    execute(plan, os.environ if environ is None else environ)
    return tuple(venv.interpreter for venv in plan)


def plan_venvs(found: Found, directory: Path) -> tuple[Venv, ...]:
    """Decide for each interpreter whether its environment is kept, made or made anew.

    Raises: VenvRefusedError, for a folder that is no virtual environment and for one with a ":".
    """
    directory = directory.absolute()
    if os.pathsep in str(directory):
        raise VenvRefusedError(
            f"{directory}: expected a folder without {os.pathsep!r}, which separates the paths of "
            "DEEPGEMM_PYTHON_INTERPRETERS; choose one with --venvs DIR"
        )
    return tuple(_plan(base, directory / _name(base)) for base in found.found)


def execute(plan: tuple[Venv, ...], environ: Mapping[str, str]) -> None:
    """Make what the plan says, side by side; what is kept costs nothing.

    Raises: UvMissingError; VenvRefusedError, with uv's complaint about each that it did not make.
    """
    due = [venv for venv in plan if venv.action != "keep"]
    if not due:
        return
    uv = find_uv(environ)
    with ThreadPoolExecutor(WORKERS) as pool:
        complaints = [said for said in pool.map(lambda venv: _make(venv, uv, environ), due) if said]
    if complaints:
        raise VenvRefusedError("\n".join(complaints))


def _plan(base: Interpreter, folder: Path) -> Venv:
    if not os.path.lexists(folder):
        return Venv(folder=folder, base=base, action="make")
    if not (folder / "pyvenv.cfg").is_file():
        raise VenvRefusedError(
            f"{folder}: expected a virtual environment or nothing, found neither, and it is not "
            "ours to delete; move it away or choose another folder with --venvs DIR"
        )
    return Venv(folder=folder, base=base, action="keep" if _matches(folder, base) else "remake")


def _name(base: Interpreter) -> str:
    """Return the version and what tells its ABI from the usual one: 3.12, 3.13t."""
    flags = re.match(r"cpython-\d+([a-z]*)-", base.soabi)
    return base.series + (flags.group(1) if flags else "")


def _matches(folder: Path, base: Interpreter) -> bool:
    """Whether it is of the same interpreter, not upgraded since, and still bare."""
    config = _read_config(folder / "pyvenv.cfg")
    packages = (folder / "lib" / f"python{_name(base)}" / "site-packages").glob("*.dist-info")
    return (
        config.get("version_info") == base.version
        and config.get("include-system-site-packages") == "false"
        and (folder / "bin" / "python").resolve() == _origin(base).resolve()
        and not any(packages)
    )


def _read_config(file: Path) -> dict[str, str]:
    pairs = (
        line.partition("=")
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines()
    )
    return {key.strip(): value.strip() for key, _, value in pairs}


def _origin(base: Interpreter) -> Path:
    """Return the interpreter itself where the one found belongs to a virtual environment."""
    return base.base_executable if base.base_executable.exists() else base.executable


def _make(venv: Venv, uv: Path, environ: Mapping[str, str]) -> str:
    """Make one environment beside its place and rename it there; return the complaint or ""."""
    folder, origin = venv.folder, _origin(venv.base)
    subject = f"{folder}: expected `uv venv --python {origin}` to make it; "
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as beside:
            fresh = Path(beside, folder.name)
            command = ("venv", *OPTIONS, "--prompt", folder.name, "--python", str(origin))
            done = run_uv(uv, *command, str(fresh), environ=environ)
            if done.returncode != 0:
                return subject + summarise(done)
            if venv.action == "remake":
                folder.rename(Path(beside, "old"))  # goes with the temporary folder
            fresh.rename(folder)
    except OSError as problem:
        return f"{subject}{problem}"
    return ""
