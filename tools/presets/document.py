"""The text of a presets file, changed one preset at a time: every other byte stays.

It knows where JSON values lie in a text; it refuses to know what a preset means.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tools.presets.errors import InvalidPresetsError
from tools.presets.generated import Kind, Preset

SCHEMA = 6
EMPTY = """\
{
  "version": 6,
  "cmakeMinimumRequired": { "major": 3, "minor": 26, "patch": 0 }
}
"""
BLANK = " \t\r\n"


@dataclass(frozen=True, kw_only=True)
class Node:
    """A value and where it lies; `key` is that of an object's member."""

    key: str
    value: Any
    start: int
    end: int


@dataclass(frozen=True, kw_only=True)
class Document:
    """A presets file whose outer form is known to be right."""

    name: str  # for messages
    text: str

    @classmethod
    def parse(cls, name: str, data: bytes) -> Document:
        """Read a file's bytes. Raises: InvalidPresetsError."""
        try:
            text = data.decode("utf-8")
            value = json.loads(text)
        except json.JSONDecodeError as error:
            found = f"{error.msg} in line {error.lineno}, column {error.colno}"
            raise _invalid(name, found) from None
        except (UnicodeDecodeError, RecursionError) as error:
            raise _invalid(name, str(error)) from None
        if not isinstance(value, dict):
            raise _invalid(name, type(value).__name__)
        document = cls(name=name, text=text)
        document._check()
        return document

    def presets(self, kind: Kind) -> list[Node]:
        """List the presets of a kind in the order of the file."""
        member = self._member(kind)
        return list(_children(self.text, member.start)) if member else []

    def find(self, kind: Kind, name: str) -> Node | None:
        """Return the preset of a name."""
        return next((node for node in self.presets(kind) if node.value.get("name") == name), None)

    def with_preset(self, kind: Kind, preset: Preset) -> Document:
        """Return the document in which this preset replaces the one of its name, or is the last."""
        present, member = self.find(kind, preset["name"]), self._member(kind)
        if present:
            return self._spliced(present.start, present.end, self._spell(preset, 4))
        if member is None:
            return self._with_member(kind, [preset])
        nodes = self.presets(kind)
        at = nodes[-1].end if nodes else member.start + 1
        end = at if nodes else member.end - 1
        tail = "" if nodes else f"{self._newline}  "
        text = f"{',' * bool(nodes)}{self._newline}    {self._spell(preset, 4)}{tail}"
        return self._spliced(at, end, text)

    def with_schema(self) -> Document:
        """Return the document with the schema that our presets are written in, or a later one."""
        version = self._member("version")
        if version is None or version.value >= SCHEMA:
            return self
        return self._spliced(version.start, version.end, str(SCHEMA))

    def _with_member(self, key: str, value: Any) -> Document:
        nodes = list(_children(self.text, self.text.index("{")))  # never empty: version is there
        at = nodes[-1].end
        text = f',{self._newline}  "{key}": {self._spell(value, 2)}'
        return self._spliced(at, at, text)

    def _member(self, key: str) -> Node | None:
        nodes = _children(self.text, self.text.index("{"))
        return next((node for node in nodes if node.key == key), None)

    def _check(self) -> None:
        nodes = list(_children(self.text, self.text.index("{")))
        keys = [node.key for node in nodes]
        if len(set(keys)) != len(keys):
            raise _invalid(self.name, "a key of the outer object twice")
        members = {node.key: node.value for node in nodes}
        if not isinstance(members.get("version"), int):
            raise _invalid(self.name, 'no number under "version"')
        for kind in ("configurePresets", "buildPresets"):
            presets = members.get(kind, [])
            if not isinstance(presets, list) or not all(isinstance(each, dict) for each in presets):
                raise _invalid(self.name, f'no list of objects under "{kind}"')

    def _spell(self, value: Any, indent: int) -> str:
        lines = json.dumps(value, indent=2, ensure_ascii=False).splitlines()
        return f"{self._newline}{' ' * indent}".join(lines)

    @property
    def _newline(self) -> str:
        return "\r\n" if "\r\n" in self.text else "\n"

    def _spliced(self, start: int, end: int, text: str) -> Document:
        return Document(name=self.name, text=self.text[:start] + text + self.text[end:])


def _children(text: str, start: int) -> Iterator[Node]:
    """Yield the values directly inside of the object or list that begins at `start`."""
    decode = json.JSONDecoder().raw_decode
    index = _skip(text, start + 1)
    while text[index] not in "}]":
        key = ""
        if text[start] == "{":
            key, index = decode(text, index)
            index = _skip(text, _skip(text, index) + 1)  # past the colon
        value, end = decode(text, index)
        yield Node(key=key, value=value, start=index, end=end)
        index = _skip(text, end)
        if text[index] == ",":
            index = _skip(text, index + 1)


def _skip(text: str, index: int) -> int:
    """Return the place of the next character that is not blank."""
    while text[index] in BLANK:
        index += 1
    return index


def _invalid(name: str, found: str) -> InvalidPresetsError:
    return InvalidPresetsError(
        f"{name}: expected CMake presets as JSON (cmake-presets(7)), found {found}; "
        "mend it, or move it away and run this again"
    )
