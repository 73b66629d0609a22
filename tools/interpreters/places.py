"""Where interpreters lie on a machine. Lists files, runs none but `uv python dir`."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.interpreters.uv import UvMissingError, find_uv, run_uv

MANYLINUX = Path("/opt/python")
UV_DIR_LIMIT_S = 5.0


@dataclass(frozen=True, kw_only=True)
class Places:
    """The folders to look in; in the order of trust."""

    pyenv: Path  # PYENV_ROOT/versions
    manylinux: Path
    uv: Path | None  # where uv keeps the Pythons that it installs; None without uv
    path: tuple[Path, ...]  # PATH, in its order, without shims

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Places:
        """Read PYENV_ROOT, UV_PYTHON_INSTALL_DIR and PATH, and ask uv where it has neither."""
        home = Path(environ.get("HOME") or Path.home())
        return cls(
            pyenv=Path(environ.get("PYENV_ROOT") or home / ".pyenv") / "versions",
            manylinux=MANYLINUX,
            uv=_find_uv_folder(environ),
            path=tuple(_without_shims(environ.get("PATH", ""))),
        )

    def describe(self) -> tuple[str, ...]:
        """Name every place, for an error that says where was looked."""
        path = os.pathsep.join(str(folder) for folder in self.path if os.access(folder, os.X_OK))
        return (
            f"pyenv: {self.pyenv}",
            f"manylinux: {self.manylinux}",
            f"uv: {self.uv or 'not installed'}",
            f"PATH without shims: {path or 'empty'}",
        )

    def candidates(self, versions: Sequence[str]) -> tuple[Path, ...]:
        """List the executables that may be one of the versions, each file once, by trust."""
        found: dict[Path, Path] = {}
        for executable in self._list(versions):
            if os.access(executable, os.X_OK) and executable.is_file():
                found.setdefault(executable.resolve(), executable)
        return tuple(found.values())

    def _list(self, versions: Sequence[str]) -> Iterator[Path]:
        for root in (self.pyenv, self.manylinux, self.uv):
            for folder in _list_folder(root):
                if _may_hold(folder.name, versions):
                    yield folder / "bin" / "python3"
                    yield folder / "bin" / "python"
        roots = {self.pyenv, self.manylinux, self.uv}
        for folder in self.path:
            if not roots.isdisjoint(folder.parents):
                continue  # listed above already
            for name in (*(f"python{version}" for version in versions), "python3", "python"):
                yield folder / name


def _list_folder(root: Path | None) -> list[Path]:
    """List a folder in order; one that is not there or not for us to read is empty."""
    readable = root is not None and os.access(root, os.R_OK | os.X_OK) and root.is_dir()
    return sorted(root.iterdir()) if root and readable else []


def _may_hold(name: str, versions: Sequence[str]) -> bool:
    """Whether a folder of this name may hold one of the versions; a name without one may."""
    said = re.match(r"(?:cpython-)?(\d)\.(\d+)|cp(\d)(\d+)-", name)
    if said is None:
        return True
    major, minor = said.group(1) or said.group(3), said.group(2) or said.group(4)
    return f"{major}.{minor}" in versions


def _find_uv_folder(environ: Mapping[str, str]) -> Path | None:
    if environ.get("UV_PYTHON_INSTALL_DIR"):
        return Path(environ["UV_PYTHON_INSTALL_DIR"]).absolute()
    try:
        said = run_uv(find_uv(environ), "python", "dir", environ=environ, limit_s=UV_DIR_LIMIT_S)
    except (UvMissingError, OSError, subprocess.TimeoutExpired):
        return None
    return Path(said.stdout.strip()) if said.returncode == 0 and said.stdout.strip() else None


def _without_shims(path: str) -> Iterator[Path]:
    """Yield the folders of PATH; a shim is a script that may or may not find an interpreter."""
    for folder in map(Path, path.split(os.pathsep)):
        if folder.is_absolute() and "shims" not in folder.parts:
            yield folder
