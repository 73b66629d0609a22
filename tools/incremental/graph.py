"""Ninja's graph of a build folder: what is made of which files, headers included."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.incremental.errors import NoAnswerError, NotConfiguredError

MANIFEST = "build.ninja"
# What CMake calls the run of a utility such as `install`; no file of this name is ever made.
UTILITY = ".util"
# CMake lists what a command makes by both names, relative and with this before it.
WORK_FOLDER = "${cmake_ninja_workdir}"
# Source: Ninja manual, "Lexical syntax" and "Build statements": `$` escapes blank, colon, itself.
WORD = re.compile(r"(?:\$.|[^\s$:|])+|\|\||\|@|\||:", re.S)


@dataclass(frozen=True, kw_only=True)
class Graph:
    """Absolute paths or names of targets, each with what it is made of; no order-only inputs."""

    build: Path
    inputs: Mapping[str, frozenset[str]]
    aliases: frozenset[str]  # outputs that are names of others

    @classmethod
    def read(cls, build: Path) -> Graph:
        """Read the manifest and the headers that compilers reported.

        Raises: NotConfiguredError, NoAnswerError.
        """
        manifest = build / MANIFEST
        if not manifest.is_file():
            raise NotConfiguredError(
                f"{build}: expected a configured build folder, found no {MANIFEST}; "
                "try: cmake --preset release"
            )
        inputs: dict[str, set[str]] = {}
        aliases = set()
        for outputs, rule, needs in _edges(manifest.read_text(encoding="utf-8")):
            for output in outputs:
                if output.endswith(UTILITY):
                    continue
                inputs.setdefault(_absolute(build, output), set()).update(
                    _absolute(build, need) for need in needs
                )
                if rule == "phony":
                    aliases.add(_absolute(build, output))
        for output, headers in _reported(build):
            if output in inputs:
                inputs[output].update(headers)
        frozen = {output: frozenset(needs) for output, needs in inputs.items()}
        return cls(build=build, inputs=frozen, aliases=frozenset(aliases))

    def made_of(self, file: Path) -> set[str]:
        """Return everything that a change of the file makes again, aliases included."""
        users: dict[str, set[str]] = {}
        for output, needs in self.inputs.items():
            for need in needs:
                users.setdefault(need, set()).add(output)
        found: set[str] = set()
        waiting = [str(file)]
        while waiting:
            new = users.get(waiting.pop(), set()) - found
            found |= new
            waiting += new
        return found

    def targets(self, outputs: Iterable[str]) -> list[str]:
        """Return the names by which a person asks for the last of these outputs."""
        made = set(outputs)
        names = []
        for alias in sorted(made & self.aliases):
            needs, name = self.inputs[alias], self.spell(alias)
            is_one = len(needs) == 1 and needs <= made - self.aliases
            if is_one and "/" not in name and Path(next(iter(needs))).name != name:
                names.append(name)
        return names

    def spell(self, output: str) -> str:
        """Return an output as ninja takes it."""
        return (
            os.path.relpath(output, self.build) if output.startswith(f"{self.build}/") else output
        )


def _edges(text: str) -> Iterator[tuple[list[str], str, list[str]]]:
    """Yield outputs, rule and inputs of each build statement; order-only inputs are left out."""
    for line in text.replace("$\n", "").replace(WORK_FOLDER, "").splitlines():
        if not line.startswith("build "):
            continue
        words = WORD.findall(line[len("build ") :])
        colon = words.index(":")
        outputs = [_plain(word) for word in words[:colon] if word != "|"]
        rule, *rest = words[colon + 1 :]
        ends = [rest.index(mark) for mark in ("||", "|@") if mark in rest]
        needs = [_plain(word) for word in rest[: min(ends, default=len(rest))] if word != "|"]
        yield outputs, rule, needs


def _plain(word: str) -> str:
    return re.sub(r"\$(.)", r"\1", word)


def _reported(build: Path) -> Iterator[tuple[str, set[str]]]:
    """Yield outputs with the files that their compiler said it read."""
    for block in run_ninja(build, "-t", "deps").split("\n\n"):
        head, *lines = block.strip("\n").splitlines() or [""]
        output, separator, _ = head.partition(": #deps ")
        if separator:
            yield _absolute(build, output), {_absolute(build, line.strip()) for line in lines}


def run_ninja(build: Path, *arguments: str) -> str:
    """Return what ninja prints. Raises: NoAnswerError."""
    path = os.pathsep.join([os.environ.get("PATH", ""), str(Path(sys.executable).parent)])
    try:
        answer = subprocess.run(
            ["ninja", "-C", str(build), *arguments],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PATH": path},
        )
    except OSError as error:
        raise NoAnswerError(f"ninja: expected it on PATH, found {error.strerror}") from None
    if answer.returncode:
        raise NoAnswerError(f"ninja -C {build}: {answer.stdout.strip()} {answer.stderr.strip()}")
    return answer.stdout


def _absolute(build: Path, name: str) -> str:
    """Return a path without dots; the name of a target becomes one in the build folder too."""
    return os.path.normpath(build / name)
