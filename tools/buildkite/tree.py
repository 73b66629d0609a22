"""The files of a checkout as git sees them: tracked, or new and not ignored."""

from __future__ import annotations

import difflib
import fnmatch
import subprocess
from dataclasses import dataclass
from pathlib import Path, PurePosixPath


@dataclass(frozen=True, kw_only=True)
class Tree:
    """Every file of a checkout, relative to its root."""

    root: Path
    files: frozenset[str]
    folders: frozenset[str]

    @classmethod
    def of(cls, root: Path) -> Tree:
        """Ask git for the files; without a repository, walk the folder."""
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
        if listed.returncode == 0:
            names = [name for name in listed.stdout.split("\0") if name and (root / name).exists()]
        else:
            names = [p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file()]
        return cls.from_names(names, root)

    @classmethod
    def from_names(cls, names: list[str], root: Path) -> Tree:
        """Make the tree that holds these files."""
        parents = {str(parent) for name in names for parent in PurePosixPath(name).parents}
        return cls(root=root, files=frozenset(names), folders=frozenset({".", *parents}))

    def has(self, path: str) -> bool:
        """Say whether the path is a file, a folder, or a pattern that some file matches."""
        name = path.rstrip("/")
        if name in self.files or name in self.folders:
            return True
        return "*" in name and any(fnmatch.fnmatchcase(file, name) for file in self.files)

    def mentions(self, path: str, word: str) -> bool:
        """Say whether the file is there and its text holds the word."""
        return path in self.files and word in (self.root / path).read_text(errors="replace")

    def tests(self, path: str, ignored: tuple[str, ...]) -> tuple[str, ...]:
        """Return the test files that pytest collects from a file, folder or pattern."""
        return tuple(
            sorted(
                file
                for file in self.files
                if (path == "." or covers(path, file) or fnmatch.fnmatchcase(file, path))
                and (file == path or _is_test(file))
                and not any(covers(part, file) for part in ignored)
            )
        )

    def nearest(self, path: str) -> str | None:
        """Return the path that was probably meant."""
        known = sorted(self.files | self.folders)
        return next(iter(difflib.get_close_matches(path.rstrip("/"), known, 1, 0.6)), None)


def covers(dependency: str, file: str) -> bool:
    """Say whether a dependency is the file, or a folder above it: no globs, no parts of names."""
    path = dependency.rstrip("/")
    return bool(path) and (file == path or file.startswith(f"{path}/"))


def _is_test(file: str) -> bool:
    name = PurePosixPath(file).name
    return fnmatch.fnmatchcase(name, "test_*.py") or fnmatch.fnmatchcase(name, "*_test.py")
