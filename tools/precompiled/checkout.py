"""What a checkout says of a path: git's own, ignored by git, or neither.

Git decides. Where there is no git, a short list of source-controlled names stands in, and anything
that is there already counts as the user's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path, PurePosixPath

from tools.precompiled.errors import GitRefusedError

# Stands in for `git ls-files` where there is no git (an unpacked source archive).
SOURCE_CONTROLLED = (
    "vllm/vllm_flash_attn/__init__.py",
    "vllm/vllm_flash_attn/flash_attn_interface.py",
    "vllm/third_party/deep_gemm/*.py",
    "vllm/third_party/__init__.py",
    "vllm/__init__.py",
)
# Stands in for .gitignore there: what only a build puts beside the Python files.
ONLY_BUILT = (
    "vllm/vllm_flash_attn/cute/*",
    "vllm/vllm_flash_attn/layers/*",
    "vllm/vllm_flash_attn/ops/*",
    "vllm/third_party/deep_gemm/include/*",
    "vllm/third_party/triton_kernels/*",
)
# What a binary is compiled from: two commits that agree on these can share one.
NATIVE_INPUTS = ("csrc", "cmake", "CMakeLists.txt")


@dataclass(frozen=True, kw_only=True)
class Checkout:
    """A source tree, what is source-controlled in it, and whether git said so."""

    root: Path
    tracked: frozenset[str]
    submodules: tuple[str, ...]
    has_git: bool

    @classmethod
    def at(cls, root: Path) -> Checkout:
        """Read the checkout at `root`. Raises: GitRefusedError where there is git but no answer."""
        root = root.resolve()
        if not _has_git(root):
            return cls(root=root, tracked=frozenset(), submodules=(), has_git=False)
        listed = git(root, "ls-files", "-s", "-z")
        entries = [entry.partition("\t") for entry in listed.split("\0") if entry]
        return cls(
            root=root,
            tracked=frozenset(path for _, _, path in entries),
            submodules=tuple(path for head, _, path in entries if head.startswith("160000")),
            has_git=True,
        )

    def protects(self, path: str) -> bool:
        """Say whether the path is source-controlled, by itself or as part of a submodule."""
        if not self.has_git:
            return any(fnmatch(path, pattern) for pattern in SOURCE_CONTROLLED)
        return path in self.tracked or any(path.startswith(f"{top}/") for top in self.submodules)

    def only_built(self, paths: Iterable[str]) -> frozenset[str]:
        """Return those of the paths that the checkout expects a build to produce: git ignores them.

        Nothing is expected beyond a link, and git answers no question about it.
        """
        links = _Links(self.root)
        asked = [path for path in paths if not self.protects(path) and not links.above(path)]
        if not self.has_git:
            return frozenset(p for p in asked if any(fnmatch(p, pattern) for pattern in ONLY_BUILT))
        # Only the checkout's own rules say what its build produces, not the user's.
        command = ("-c", "core.excludesFile=", "check-ignore", "--no-index", "-z", "--stdin")
        done = _run_git(self.root, *command, text="\0".join(asked))
        if done.returncode not in {0, 1}:  # 1: none of them is ignored
            raise GitRefusedError(f"{self.root}: git check-ignore failed: {done.stderr.strip()}")
        return frozenset(done.stdout.split("\0")) - {""}

    def hidden_by(self, path: str) -> str:
        """Return the source-controlled module that an importer would no longer find, or ''.

        A package hides a module of its name; an extension module hides both source forms of its
        name; a module or package hides a folder without __init__.py (a namespace package).
        """
        pure = PurePosixPath(path)
        if pure.suffix not in {".py", ".so"}:
            return ""
        name = pure.name.partition(".")[0]
        if name == "__init__":
            return self._hidden_by_package(pure)
        stem = pure.parent / name
        rivals = [f"{stem}.py"] if pure.suffix == ".so" else []
        found = [rival for rival in rivals if self._has_module(rival)]
        return found[0] if found else self._namespace(stem)

    def hidden_by_parents(self, path: str, packages: frozenset[str]) -> str:
        """Return the module that a package of the wheel above this path hides, or ''."""
        for parent in PurePosixPath(path).parents:
            if f"{parent}/__init__.py" in packages and self._has_module(f"{parent}.py"):
                return f"{parent}.py"
        return ""

    def case_rival(self, path: str) -> str:
        """Return the source-controlled path that differs from this one by case alone, or ''."""
        return self._folded.get(path.casefold(), "") if not self.protects(path) else ""

    @cached_property
    def _folded(self) -> dict[str, str]:
        return {path.casefold(): path for path in self.tracked}

    def _has_module(self, path: str) -> bool:
        # The list of names has patterns: without git, only what is there can be hidden.
        return self.protects(path) and (self.has_git or (self.root / path).exists())

    def _hidden_by_package(self, init: PurePosixPath) -> str:
        module = f"{init.parent}.py"
        return module if self._has_module(module) else self._namespace(init.parent)

    def _namespace(self, folder: PurePosixPath) -> str:
        prefix = f"{folder}/"
        if f"{prefix}__init__.py" in self.tracked:
            return ""
        modules = sorted(p for p in self.tracked if p.startswith(prefix) and p.endswith(".py"))
        return modules[0] if modules else ""


class _Links:
    """Which folders of a checkout are links; each is looked at once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known: dict[PurePosixPath, bool] = {PurePosixPath("."): False}

    def above(self, path: str) -> bool:
        """Say whether a folder above the path is a link."""
        return self._is_beyond(PurePosixPath(path).parent)

    def _is_beyond(self, folder: PurePosixPath) -> bool:
        if folder not in self._known:
            link = (self._root / folder).is_symlink()
            self._known[folder] = link or self._is_beyond(folder.parent)
        return self._known[folder]


def git(root: Path, *arguments: str) -> str:
    """Return what git prints about the checkout. Raises: GitRefusedError."""
    done = _run_git(root, *arguments)
    if done.returncode != 0:
        raise GitRefusedError(
            f"{root}: git {' '.join(arguments[:2])} failed, so it is not known which files are "
            f"source-controlled; nothing was written: {done.stderr.strip()}"
        )
    return done.stdout


def _has_git(root: Path) -> bool:
    """Say whether the tree is a git checkout of its own, not a folder that another one ignores."""
    if shutil.which("git") is None:
        return False
    if (root / ".git").exists():
        return True
    asked = _run_git(root, "ls-files", "-z", "pyproject.toml")
    return asked.returncode == 0 and bool(asked.stdout)


def _run_git(root: Path, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    # A hook's GIT_DIR or GIT_INDEX_FILE would make git speak of another checkout.
    environment = {name: value for name, value in os.environ.items() if name[:4] != "GIT_"}
    return subprocess.run(
        ["git", "-C", str(root), *arguments],
        input=text,
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",  # as Path does: git's names are bytes
        check=False,
        env=environment,
    )
