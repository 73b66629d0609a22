"""What a step's command runs: the tests given to pytest and the scripts given to an interpreter.

A reading, not a shell: it follows `cd`, `;`, `&&`, newlines and quoted command lines.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tools.buildkite.step import WORKSPACE

# Options of pytest that take the next word.
_VALUE_OPTIONS = frozenset(
    {
        "-k",
        "-m",
        "-n",
        "-p",
        "-W",
        "-o",
        "-c",
        "-r",
        "--tb",
        "--ignore",
        "--ignore-glob",
        "--deselect",
        "--rootdir",
        "--timeout",
        "--durations",
        "--dist",
        "--maxfail",
        "--junitxml",
        "--config-list-file",
        "--shard-id",
        "--num-shards",
        "--models",
    }
)
_INTERPRETERS = re.compile(r"(ba)?sh|python3?(\.\d+)?|torchrun")
_SEPARATORS = frozenset(";&|()\n")


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """One pytest or script call: repository paths, and what pytest is told to ignore."""

    tests: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    scripts: tuple[str, ...] = ()


@dataclass(kw_only=True)
class _Arguments:
    paths: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)


def invocations(commands: Iterable[str], folder: str) -> Iterator[Invocation]:
    """Yield what the commands call, one after another in one shell that starts in the folder.

    Raises:
        ValueError: a quote is not closed.
    """
    for command in commands:
        for words in _statements(command):
            called = _without_assignments(words)
            if called[:1] == ["cd"] and len(called) > 1:
                folder = _inside(folder, called[1])
            elif called:
                yield from _called(called, folder)


def _statements(command: str) -> Iterator[list[str]]:
    text = re.sub(r"^\s*#.*$", "", command.replace("\\\n", " "), flags=re.MULTILINE)
    lexer = shlex.shlex(text, posix=True, punctuation_chars=";&|()\n")
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t\r", True, ""
    words: list[str] = []
    for token in lexer:
        if token and set(token) <= _SEPARATORS:
            yield words
            words = []
        else:
            words.append(token)
    yield words


def _without_assignments(words: list[str]) -> list[str]:
    start = next((i for i, word in enumerate(words) if not re.match(r"[A-Za-z_]\w*=", word)), None)
    return [] if start is None else words[start:]


def _called(words: list[str], folder: str) -> Iterator[Invocation]:
    program = posixpath.basename(words[0])
    rest = words[1:]
    if "pytest" in words:
        arguments = _pytest_arguments(words[words.index("pytest") + 1 :])
        yield Invocation(
            tests=tuple(_inside(folder, path) for path in arguments.paths),
            ignored=tuple(_inside(folder, path) for path in arguments.ignored),
        )
    elif _INTERPRETERS.fullmatch(program) or "/" in words[0]:
        candidates = rest if _INTERPRETERS.fullmatch(program) else words
        script = next((word for word in candidates if not word.startswith("-")), "")
        if script.endswith((".py", ".sh")):
            yield Invocation(scripts=(_inside(folder, script),))
    for word in rest:
        if re.search(r"\bpytest\s", word):  # a command line handed to another program
            yield from invocations([word], folder)


def _pytest_arguments(words: list[str]) -> _Arguments:
    found = _Arguments()
    remaining = iter(words)
    previous = ""
    for word in remaining:
        option, _, value = word.partition("=")
        if word.startswith("-"):
            if option in _VALUE_OPTIONS and not value:
                value = next(remaining, "")
            if option == "--ignore":
                found.ignored.append(value)
        elif re.match(r"[<>]|\d>|#", word):
            break
        elif not previous.startswith("--") or "/" in word or ".py" in word:
            found.paths.append(word.partition("::")[0])  # else the value of a plugin's option
        previous = "" if value else word
    return found


def _inside(folder: str, path: str) -> str:
    joined = posixpath.normpath(posixpath.join(WORKSPACE, folder, path))
    return posixpath.relpath(joined, WORKSPACE) if joined.startswith(WORKSPACE) else joined
