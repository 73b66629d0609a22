"""Which steps a change needs, and which file and rule says so.

A step is chosen when a changed file is one of its dependencies, or lies in one of their folders,
and no `!` dependency takes that file out again; what a chosen step depends on is chosen with it.
"""

from __future__ import annotations

import difflib
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from tools.buildkite.errors import DiffUnreadableError, UnknownStepError
from tools.buildkite.positions import Text
from tools.buildkite.step import Step
from tools.buildkite.tree import covers

Scope = Literal["change", "all", "nightly"]
Reason = Literal[
    "matched", "needed", "all", "nightly", "named", "optional", "excluded", "unmatched"
]

ALWAYS_PREFIX = "image-build"  # vLLM's images: whatever runs, runs in them


@dataclass(frozen=True, kw_only=True)
class Match:
    """What became of one changed file: the rules that took it in and out."""

    file: str
    include: Text | None
    exclude: Text | None

    @property
    def selects(self) -> bool:
        """Say whether this file chooses the step."""
        return self.include is not None and self.exclude is None


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Whether a step runs, and why."""

    step: Step
    chosen: bool
    reason: Reason
    needed_by: str | None = None
    matches: tuple[Match, ...] = ()

    @property
    def because(self) -> str:
        """Say the reason in a few words, with file and rule where they decide."""
        if self.reason in ("matched", "optional", "excluded"):
            return _told(self.reason, self._telling())
        texts = {
            "needed": f"{self.needed_by} depends on it",
            "unmatched": "no changed file matches",
        }
        texts |= {"all": "every step", "nightly": "nightly", "named": "named"}
        return texts[self.reason]

    def _telling(self) -> Match | None:
        telling = [found for found in self.matches if found.selects] or list(self.matches)
        return next((found for found in telling if found.include), None)


def changed_files(diff: str, root: Path) -> tuple[str, ...]:
    """Return the files that differ in `A..B` or `A...B`, both names of a renamed one.

    Raises:
        DiffUnreadableError: git does not know the range, or there is no repository.
    """
    if ".." not in diff or diff.startswith("-"):
        raise DiffUnreadableError(
            f"--diff {diff!r}: expected a range of commits such as main..HEAD"
        )
    command = ["git", "diff", "--name-only", "--no-renames", "-z", "--end-of-options", diff, "--"]
    answer = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        said = (answer.stderr.strip().splitlines() or ["nothing"])[0]
        raise DiffUnreadableError(
            f"--diff {diff!r}: expected commits of {root}, git said: {said}; "
            "a clone has other branches than its own as origin/NAME, after `git fetch`"
        )
    return tuple(name for name in answer.stdout.split("\0") if name)


def decide(
    steps: Sequence[Step], files: Iterable[str], scope: Scope = "change"
) -> tuple[Decision, ...]:
    """Decide every step, in the order of the files."""
    changed = tuple(files)
    own = {step.key: _alone(step, changed, scope) for step in steps}
    return tuple(_with_needed(own, steps).values())


def decide_named(
    steps: Sequence[Step], names: Iterable[str], *, closure: bool
) -> tuple[Decision, ...]:
    """Choose the steps with these keys or labels, and what they depend on where that is asked."""
    wanted = {find(steps, name).key for name in names}
    own = {
        step.key: Decision(
            step=step,
            chosen=step.key in wanted,
            reason="named" if step.key in wanted else "unmatched",
        )
        for step in steps
    }
    return tuple((_with_needed(own, steps) if closure else own).values())


def find(steps: Sequence[Step], name: str) -> Step:
    """Return the step with this key or label.

    Raises:
        UnknownStepError: no step has it, or several do.
    """
    found = [step for step in steps if name in (step.key, step.label)]
    if len(found) == 1:
        return found[0]
    if found:
        places = ", ".join(str(step.position) for step in found)
        raise UnknownStepError(f"step {name!r}: expected one, found {places}; use its key")
    names = [text for step in steps for text in (step.key, step.label)]
    near = difflib.get_close_matches(name, names, 3, 0.4)
    hint = f"near it: {', '.join(near)}" if near else "`list` shows them"
    raise UnknownStepError(f"step {name!r}: no step has this key or label; {hint}")


def match(step: Step, file: str) -> Match:
    """Return which of the step's rules take the file in and out."""

    def first(rules: Iterable[Text]) -> Text | None:
        return next((rule for rule in rules if covers(rule.text.removeprefix("!"), file)), None)

    include = first(rule for rule in step.dependencies if not rule.text.startswith("!"))
    exclude = first(rule for rule in step.dependencies if rule.text.startswith("!"))
    return Match(file=file, include=include, exclude=exclude if include else None)


def _alone(step: Step, files: tuple[str, ...], scope: Scope) -> Decision:
    matches = tuple(match(step, file) for file in files)
    matched = any(found.selects for found in matches)
    decision = Decision(step=step, chosen=True, reason="matched", matches=matches)
    if scope == "nightly":
        return replace(decision, reason="nightly")
    if step.key.startswith(ALWAYS_PREFIX):
        return replace(decision, reason="all")
    if step.optional:
        return replace(decision, chosen=False, reason="optional")
    if matched:
        return decision
    if scope == "all":
        return replace(decision, reason="all")
    excluded = any(found.exclude for found in matches)
    return replace(decision, chosen=False, reason="excluded" if excluded else "unmatched")


def _with_needed(own: dict[str, Decision], steps: Sequence[Step]) -> dict[str, Decision]:
    decided = dict(own)
    waiting = [step for step in steps if decided[step.key].chosen]
    while waiting:
        step = waiting.pop(0)
        for needed in step.depends_on:
            decision = decided.get(needed.text)
            if decision and not decision.chosen:
                decided[needed.text] = replace(
                    decision, chosen=True, reason="needed", needed_by=step.key
                )
                waiting.append(decision.step)
    return decided


def _told(reason: Reason, found: Match | None) -> str:
    if found is None or found.include is None:
        return "optional: runs nightly or by name" if reason == "optional" else reason
    rule = found.exclude or found.include
    text = f"{found.file} by {rule.text!r} ({rule.position})"
    if reason == "optional":
        return f"optional: runs nightly or by name, though matched {text}"
    return f"{reason} {text}"
