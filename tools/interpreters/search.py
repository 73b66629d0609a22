"""Find one interpreter for each version: look in the places, ask every candidate once, choose."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from packaging.version import Version

from tools.errors import ToolError
from tools.interpreters.facts import Ask, Interpreter, ProbeError, ask
from tools.interpreters.places import Places
from tools.interpreters.versions import VersionRefusedError, admits

WORKERS = 4


class InterpreterUnusableError(ToolError):
    """Name another interpreter: the one that was given by its path cannot serve."""

    exit_code: ClassVar[int] = 13


class InterpreterMissingError(ToolError):
    """Install the missing CPythons, or ask for fewer."""

    exit_code: ClassVar[int] = 12


@dataclass(frozen=True, kw_only=True)
class PassedOver:
    """An executable that could have served, and why it does not."""

    executable: Path
    reason: str


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a search found: interpreters in the order that they were asked for, one per SOABI."""

    found: tuple[Interpreter, ...]
    missing: tuple[str, ...]
    looked: tuple[str, ...]
    passed_over: tuple[PassedOver, ...]


def find_interpreters(
    versions: Sequence[str],
    *,
    requires_python: str = "",
    places: Places | None = None,
    ask: Ask = ask,
) -> Found:
    """Find the newest patch release of each version; a path stands for the interpreter it names.

    Raises: InterpreterUnusableError and VersionRefusedError for a path only.
    """
    places = places or Places.from_environment(os.environ)
    named = {text: _ask_named(text, requires_python, ask) for text in versions if is_path(text)}
    wanted = [version for version in dict.fromkeys(versions) if not is_path(version)]
    candidates = places.candidates(wanted) if wanted else ()
    answers, passed_over = _ask_all(candidates, wanted, requires_python, ask)
    chosen = {text: named.get(text) or _newest(answers, text) for text in versions}
    by_soabi: dict[str, Interpreter] = {}
    for interpreter in filter(None, chosen.values()):
        by_soabi.setdefault(interpreter.soabi, interpreter)
    return Found(
        found=tuple(by_soabi.values()),
        missing=tuple(version for version in wanted if chosen[version] is None),
        looked=places.describe(),
        passed_over=passed_over,
    )


def require_interpreters(found: Found, *, strict: bool, tried: str) -> None:
    """Refuse a search that found nothing, or with `strict` one that missed anything.

    Raises: InterpreterMissingError.
    """
    if found.missing and (strict or not found.found):
        raise InterpreterMissingError(describe_missing(found, tried))


def describe_missing(found: Found, tried: str) -> str:
    """Say which versions are missing, where was looked, what was passed over, how to get them."""
    names = " ".join(found.missing)
    lines = [
        f"CPython {', '.join(found.missing)}: expected an interpreter with its headers, found none"
    ]
    lines += [f"  looked in {place}" for place in found.looked]
    lines += [f"  passed over {file.executable}: {file.reason}" for file in found.passed_over]
    lines += [f"  tried {tried}"] if tried else []
    lines += [
        f"  get them with `uv python install {names}` or `pyenv install`, or give the path of an "
        "interpreter in place of its version"
    ]
    return "\n".join(lines)


def is_path(version: str) -> bool:
    """Whether a VERSION of the command line is the path of an interpreter."""
    return "/" in version


def _ask_named(text: str, requires_python: str, ask: Ask) -> Interpreter:
    subject = f"interpreter {text}: expected a CPython with its headers"
    try:
        interpreter = ask(Path(text).absolute())
    except ProbeError as problem:
        raise InterpreterUnusableError(f"{subject}; it {problem}") from problem
    if interpreter.error:
        raise InterpreterUnusableError(f"{subject}, found: {interpreter.error}")
    if not admits(requires_python, interpreter.version):
        raise VersionRefusedError(
            f"interpreter {text}: expected a CPython that requires-python {requires_python!r} "
            f"admits, found {interpreter.version}"
        )
    return interpreter


def _ask_all(
    candidates: Iterable[Path], wanted: Sequence[str], requires_python: str, ask: Ask
) -> tuple[tuple[Interpreter, ...], tuple[PassedOver, ...]]:
    """Ask every candidate and part those that serve from those that do not, with the reason."""

    def answer(executable: Path) -> Interpreter | PassedOver:
        try:
            return ask(executable)
        except ProbeError as problem:
            return PassedOver(executable=executable, reason=str(problem))

    serving, passed_over = [], []
    with ThreadPoolExecutor(WORKERS) as pool:
        for said in pool.map(answer, candidates):
            if isinstance(said, PassedOver):
                passed_over.append(said)
            elif said.series in wanted:
                reason = _why_not(said, requires_python)
                if reason:
                    passed_over.append(PassedOver(executable=said.executable, reason=reason))
                else:
                    serving.append(said)
    return tuple(serving), tuple(passed_over)


def _why_not(interpreter: Interpreter, requires_python: str) -> str:
    if interpreter.error:
        return interpreter.error
    if interpreter.prerelease:
        return f"a prerelease, {interpreter.version}: not what {interpreter.series} means"
    if not admits(requires_python, interpreter.version):
        return f"requires-python {requires_python!r} does not admit {interpreter.version}"
    return ""


def _newest(serving: Iterable[Interpreter], version: str) -> Interpreter | None:
    """Return the highest patch release; between equals the first, which is the most trusted."""
    same = [interpreter for interpreter in serving if interpreter.series == version]
    return max(same, key=lambda interpreter: Version(interpreter.version), default=None)
