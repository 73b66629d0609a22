"""Questions to the person at the terminal, where there is one; nobody else is asked."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TextIO


@dataclass(frozen=True, kw_only=True)
class Questions:
    """Asks on stderr, so that stdout stays for results; an end of input is no answer."""

    answers: TextIO
    allowed: bool

    @classmethod
    def on_terminal(cls, *, no_input: bool) -> Questions:
        """Ask only where a person reads and types."""
        is_terminal = sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()
        return cls(answers=sys.stdin, allowed=is_terminal and not no_input)

    def ask(self, question: str) -> str | None:
        """Return the line that was typed, None where nobody answered."""
        if not self.allowed:
            return None
        print(question, end=" ", file=sys.stderr, flush=True)
        line = self.answers.readline()
        if not line:
            print(file=sys.stderr)
        return line.strip() if line else None

    def agree(self, question: str) -> bool:
        """Return whether a person said yes."""
        return (self.ask(f"{question} [y/N]") or "").lower() in {"y", "yes"}
