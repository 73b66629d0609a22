"""YAML whose every value remembers its file and line, and whose duplicate keys are findings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import yaml

Scalar = str | int | float | bool | None


@dataclass(frozen=True, kw_only=True, order=True)
class Position:
    """A line of a step file, as editors and terminals open it."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, kw_only=True, order=True)
class Finding:
    """One thing to mend: where, which rule, what was expected and found."""

    position: Position
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.position}: {self.rule}: {self.message}"


@dataclass(frozen=True, kw_only=True)
class Text:
    """A string and the line that it stands on."""

    text: str
    position: Position


@dataclass(frozen=True, kw_only=True)
class Located:
    """A YAML value with the line of its key, or of itself inside a list."""

    value: Scalar | tuple[Located, ...] | dict[str, Located]
    position: Position

    @property
    def plain(self) -> object:
        """Return the value without positions."""
        if isinstance(self.value, tuple):
            return [item.plain for item in self.value]
        if isinstance(self.value, dict):
            return {name: member.plain for name, member in self.value.items()}
        return self.value


def read_yaml(path: Path, name: str, findings: list[Finding]) -> Located | None:
    """Read one YAML document; unreadable text and duplicate keys become findings."""
    try:
        loader = yaml.SafeLoader(path.read_text(encoding="utf-8"))
        node = loader.get_single_node()
        if node is not None:
            return _Converter(loader, name, findings).located(node)
        position, message = Position(file=name, line=1), "expected steps, found an empty file"
    except (yaml.YAMLError, ValueError) as error:  # ValueError: no UTF-8, or no such date
        mark = getattr(error, "problem_mark", None)
        message = getattr(error, "problem", None) or str(error)
        position = Position(file=name, line=mark.line + 1 if mark else 1)
    findings.append(Finding(position=position, rule="syntax", message=message))
    return None


class _Converter:
    def __init__(self, loader: yaml.SafeLoader, name: str, findings: list[Finding]) -> None:
        self.loader, self.name, self.findings = loader, name, findings

    def located(self, node: yaml.Node, key: yaml.Node | None = None) -> Located:
        position = self._position(key or node)
        if isinstance(node, yaml.MappingNode):
            return Located(value=self._members(node), position=position)
        if isinstance(node, yaml.SequenceNode):
            return Located(value=tuple(map(self.located, node.value)), position=position)
        scalar = cast(Scalar, self.loader.construct_object(node))
        return Located(value=scalar, position=position)

    def _members(self, node: yaml.MappingNode) -> dict[str, Located]:
        self._report_duplicates(node)
        self.loader.flatten_mapping(node)  # resolves `<<: *anchor`
        return {
            str(self.loader.construct_object(key)): self.located(value, key)
            for key, value in node.value
        }

    def _report_duplicates(self, node: yaml.MappingNode) -> None:
        first: dict[str, Position] = {}
        for key, _ in node.value:
            name, position = str(key.value), self._position(key)
            if name in first and name != "<<":
                message = f"{name!r} stands at line {first[name].line} already; YAML keeps the last"
                self.findings.append(
                    Finding(position=position, rule="duplicate-key", message=message)
                )
            first.setdefault(name, position)

    def _position(self, node: yaml.Node) -> Position:
        return Position(file=self.name, line=node.start_mark.line + 1)
