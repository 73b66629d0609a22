"""Changed files, and for each the targets that it is an input of."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.incremental.errors import NoChangesError
from tools.incremental.graph import MANIFEST, Graph

SOURCES = ("csrc", "cmake")


@dataclass(frozen=True, kw_only=True)
class Effect:
    """A changed file, what is made again because of it, and the word for it where nothing is."""

    file: str
    outputs: tuple[str, ...]
    targets: tuple[str, ...]
    note: str

    def to_json(self) -> dict[str, Any]:
        """Return it as data."""
        return {
            "file": self.file,
            "outputs": self.outputs,
            "targets": self.targets,
            "note": self.note,
        }


def changed_files(root: Path, diff: str = "") -> list[str]:
    """List what differs from HEAD, new files included, or in a range of commits.

    Raises: NoChangesError.
    """
    names = _git(root, "diff", "--name-only", "-z", diff or "HEAD", "--")
    if not diff:
        names += _git(root, "ls-files", "--others", "--exclude-standard", "-z")
    return sorted(set(names))


def effects(root: Path, graph: Graph, files: list[str]) -> list[Effect]:
    """Return what each file makes again."""
    return [_effect(root, graph, file) for file in files]


def _effect(root: Path, graph: Graph, file: str) -> Effect:
    made = graph.made_of(root / file)
    outputs = sorted(graph.spell(each) for each in made - graph.aliases)
    note = ""
    if MANIFEST in outputs:
        outputs, made, note = (
            [],
            set(),
            "an input of the configure step, which then says what is stale",
        )
    elif not outputs:
        is_source = file.startswith(tuple(f"{folder}/" for folder in SOURCES))
        note = "no target knows it" if is_source else "nothing to build"
    return Effect(file=file, outputs=tuple(outputs), targets=tuple(graph.targets(made)), note=note)


def _git(root: Path, *arguments: str) -> list[str]:
    answer = subprocess.run(
        ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False
    )
    if answer.returncode:
        raise NoChangesError(
            f"git {' '.join(arguments)}: expected a list of files, found {answer.stderr.strip()}; "
            "give a range that git knows with --diff A..B"
        )
    return [name for name in answer.stdout.split("\0") if name]
