"""A Dockerfile as stages of instructions: as much of its grammar as ours uses, the rest refused.

Source: Dockerfile reference: comments, line continuation, FROM … AS, flags of instructions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

KNOWN = ("ARG", "FROM", "RUN", "ENV", "USER", "WORKDIR", "COPY")


@dataclass(frozen=True, kw_only=True)
class Instruction:
    """One instruction: `flags` are its --name=value, `text` is what follows them."""

    name: str
    flags: tuple[str, ...]
    text: str


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One FROM with what follows it."""

    name: str
    base: str
    instructions: tuple[Instruction, ...]

    def named(self, name: str) -> tuple[Instruction, ...]:
        """Return the instructions of one kind."""
        return tuple(each for each in self.instructions if each.name == name)


def parse(text: str) -> tuple[dict[str, str], tuple[Stage, ...]]:
    """Return the arguments before the first stage, and the stages."""
    arguments: dict[str, str] = {}
    stages: list[tuple[str, str, list[Instruction]]] = []
    for each in _instructions(text):
        if each.name == "FROM":
            base, _, name = each.text.partition(" AS ")
            stages.append((name, base, []))
        elif stages:
            stages[-1][2].append(each)
        else:
            assert each.name == "ARG", f"{each.name} before the first FROM"
            name, _, value = each.text.partition("=")
            arguments[name] = value
    found = (Stage(name=n, base=b, instructions=tuple(i)) for n, b, i in stages)
    return arguments, tuple(found)


def _instructions(text: str) -> list[Instruction]:
    # A comment line inside a continued instruction is dropped as well.
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    found = []
    for line in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines():
        name, _, rest = line.partition(" ")
        assert name in KNOWN, f"{name}: expected one of {', '.join(KNOWN)}"
        words = rest.split()
        flags = tuple(word for word in words[: _first_no_flag(words)])
        after = re.sub(r"\s+", " ", rest).strip()
        for flag in flags:
            after = after.removeprefix(flag).strip()
        found.append(Instruction(name=name, flags=flags, text=after))
    return found


def _first_no_flag(words: list[str]) -> int:
    return next((at for at, word in enumerate(words) if not word.startswith("--")), len(words))
