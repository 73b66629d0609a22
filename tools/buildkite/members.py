"""Typed access to the members of a YAML mapping; what does not fit its schema is a finding."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import cast

from tools.buildkite import schema
from tools.buildkite.positions import Finding, Located, Text
from tools.buildkite.schema import Field


class Members:
    """The members of one mapping, checked against a table of keys when made."""

    def __init__(
        self, node: Located, table: Mapping[str, Field], findings: list[Finding], what: str
    ) -> None:
        self._findings, self._what = findings, what
        self._position = node.position
        self._valid: dict[str, Located] = {}
        self._check_all(node, table)

    def has(self, name: str) -> bool:
        """Say whether the key stands there with a valid value."""
        return name in self._valid

    def node(self, name: str) -> Located | None:
        """Return the value with its position, or None."""
        return self._valid.get(name)

    def plain(self, name: str) -> object:
        """Return the value without positions, or None."""
        node = self._valid.get(name)
        return node.plain if node else None

    def text(self, *names: str) -> str | None:
        """Return the first of the names that is set."""
        return next((str(self.plain(name)) for name in names if self.has(name)), None)

    def count(self, *names: str) -> int | None:
        """Return the first of the names that is set."""
        return next((cast(int, self.plain(name)) for name in names if self.has(name)), None)

    def flag(self, name: str) -> bool:
        """Return the flag, false where it is not set."""
        return bool(self.plain(name))

    def texts(self, name: str) -> tuple[Text, ...]:
        """Return the texts with their positions; one text alone is a list of one, ~ is empty."""
        node = self._valid.get(name)
        if node is None or node.value is None:
            return ()
        items = node.value if isinstance(node.value, tuple) else (node,)
        return tuple(Text(text=str(item.value), position=item.position) for item in items)

    def text_map(self, name: str) -> dict[str, str]:
        """Return the mapping, empty where it is not set."""
        return cast(dict[str, str], self.plain(name) or {})

    def report(self, rule: str, message: str, node: Located | None = None) -> None:
        """Add a finding at a member, or at the mapping itself."""
        position = node.position if node else self._position
        self._findings.append(
            Finding(position=position, rule=rule, message=f"{self._what}: {message}")
        )

    def _check_all(self, node: Located, table: Mapping[str, Field]) -> None:
        if not isinstance(node.value, dict):
            self.report("type", f"expected {schema.MAPPING.name}, found {node.plain!r}")
            return
        for name, member in node.value.items():
            if name not in table:
                self.report("unknown-key", unknown(name, table), member)
            elif not table[name].kind.accepts(member):
                self.report("type", _mismatch(name, table[name], member), member)
            else:
                self._valid[name] = member


def unknown(name: str, known: Mapping[str, object] | tuple[str, ...]) -> str:
    """Word the message for a name that is not known, with the nearest one that is."""
    near = difflib.get_close_matches(name, list(known), 1, 0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(sorted(known))}"
    return f"{name!r} is not known; {hint}"


def _mismatch(name: str, field: Field, member: Located) -> str:
    return f"{name} ({field.meaning}) takes {field.kind.name}, found {member.plain!r}"
