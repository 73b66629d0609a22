"""An upstream checkout: that it is one, that its submodules are there, and what names it."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from tools.errors import ToolError

BINDING = Path("csrc/python_api.cpp")
FACE = Path("deep_gemm/__init__.py")
# Later commits register operators with torch; this module loads them from another shared object.
OPERATORS = Path("deep_gemm/_C.py")
KERNELS = Path("deep_gemm/include/deep_gemm")
# Source: deepseek-ai/DeepGEMM, .gitmodules.
SUBMODULES = {
    "third-party/cutlass": Path("include/cutlass"),
    "third-party/fmt": Path("include/fmt"),
}
VERSION = re.compile(r"^__version__\s*=\s*['\"]([0-9][0-9A-Za-z.]*)", re.MULTILINE)


class NoUpstreamError(ToolError):
    """The folder is no complete DeepGEMM checkout: name another, or fetch its submodules."""

    exit_code: ClassVar[int] = 36


@dataclass(frozen=True, kw_only=True)
class Upstream:
    """One checkout; `commit` is empty where it is no git checkout. Its files are only read."""

    folder: Path
    version: str
    commit: str

    @classmethod
    def read(cls, folder: Path) -> Upstream:
        """Return the checkout in a folder.

        Raises: NoUpstreamError, with all that is missing.
        """
        folder = folder.expanduser().absolute()
        _require_tree(folder)
        _require_submodules(folder)
        match = VERSION.search((folder / FACE).read_text(encoding="utf-8", errors="replace"))
        return cls(folder=folder, version=match[1] if match else "0", commit=_commit(folder))

    @property
    def mark(self) -> str:
        """What the version of a wheel says of it, as the local part of a version may be spelt."""
        commit = f".g{self.commit[:9]}" if self.commit else ""
        return f"{self.version}{commit}".lower()


def _require_tree(folder: Path) -> None:
    missing = [str(part) for part in (BINDING, FACE, KERNELS) if not (folder / part).exists()]
    if missing:
        raise NoUpstreamError(
            f"{folder}: expected a checkout of DeepGEMM with a pybind11 binding, found no "
            f"{', no '.join(missing)}; name another folder"
        )
    if (folder / OPERATORS).exists():
        raise NoUpstreamError(
            f"{folder}: expected a checkout of DeepGEMM with a pybind11 binding, found "
            f"{OPERATORS}, which stands in the place of that extension and loads torch operators; "
            "check out an earlier commit, such as that of tools/upstream/pin.txt"
        )


def _require_submodules(folder: Path) -> None:
    empty = [name for name, part in SUBMODULES.items() if not (folder / name / part).is_dir()]
    if empty:
        raise NoUpstreamError(
            f"{folder}: expected the submodules {' and '.join(SUBMODULES)}, found nothing in "
            f"{' and '.join(empty)}; try: git -C {folder} submodule update --init {' '.join(empty)}"
        )


def _commit(folder: Path) -> str:
    """Return the commit that is checked out, "" where git knows none of this very folder."""
    top = _git(folder, "rev-parse", "--show-toplevel")
    if not top or Path(top).resolve() != folder.resolve():
        return ""
    return _git(folder, "rev-parse", "HEAD")


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
