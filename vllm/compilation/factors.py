"""What a compiled artefact depends on: named factors, their canonical form, and the key that they
make.

It knows values, neither torch nor files. A value whose meaning is unknown has no canonical form: it
is unkeyable, and what depends on it is not cached.
"""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

# Raised whenever the meaning of a factor or the contents of an entry change.
FORMAT = 3

Plain = Any  # what json holds: None, bool, int, float, str, lists and str-keyed dicts of them


class UnkeyableError(Exception):
    """A factor cannot be read or named; the message says which and why. What depends on it is not
    cached.
    """


class UnsavableError(UnkeyableError):
    """Something was made, and cannot be saved; `made` is it."""

    def __init__(self, reason: str, made: Any) -> None:
        super().__init__(reason)
        self.made = made


@dataclass(frozen=True, kw_only=True)
class Factors:
    """Everything that one artefact depends on, by kind; each field is a plain tree.

    `environment`: variables of the allow-list; `model` and `compilation`: configurations;
    `sources`: traced files by content; `compiler`: torch, Inductor, functorch, C++; `device`: what
    it runs on; `graph`: the graph and its inputs.
    """

    environment: Mapping[str, Plain] = field(default_factory=dict)
    model: Mapping[str, Plain] = field(default_factory=dict)
    compilation: Mapping[str, Plain] = field(default_factory=dict)
    sources: Mapping[str, Plain] = field(default_factory=dict)
    compiler: Mapping[str, Plain] = field(default_factory=dict)
    device: Mapping[str, Plain] = field(default_factory=dict)
    graph: Mapping[str, Plain] = field(default_factory=dict)

    @cached_property
    def canonical(self) -> str:
        """The one JSON text of these factors."""
        tree = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}
        return canonical_json({"format": FORMAT, **tree})

    @cached_property
    def key(self) -> str:
        """The SHA-256 of the canonical text, in hexadecimal."""
        return hashlib.sha256(self.canonical.encode()).hexdigest()

    @classmethod
    def parse(cls, text: str) -> Factors:
        """Read factors back from their canonical text.

        Raises: ValueError where the text is of another format, or no factors at all.
        """
        tree = json.loads(text)
        names = {each.name for each in dataclasses.fields(cls)}
        if not isinstance(tree, dict) or tree.pop("format", None) != FORMAT or set(tree) != names:
            raise ValueError(f"factors: expected format {FORMAT} with {', '.join(sorted(names))}")
        return cls(**tree)


def canonical_json(tree: Plain) -> str:
    """Return the one text of a plain tree.

    Raises: UnkeyableError for a number that JSON cannot hold.
    """
    try:
        return json.dumps(tree, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except ValueError as error:
        raise UnkeyableError(f"factors: {error}") from None


_THEMSELVES = frozenset((type(None), bool, int))


def plain(value: object, name: str) -> Plain:
    """Return a value as a plain tree that says all of it.

    An object may say itself by a `uuid()` method, as Inductor's custom passes do, or by being a
    dataclass.

    Raises: UnkeyableError names the part that has no such form.
    """
    if type(value) in _THEMSELVES:  # most settings are; the rest is asked more slowly
        return value
    if isinstance(value, bool | int | str) and not isinstance(value, enum.Enum):
        return _path_free(value, name) if isinstance(value, str) else value
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, enum.Enum):
        return f"{type(value).__qualname__}.{value.name}"
    return _plain_composite(value, name)


def _plain_composite(value: object, name: str) -> Plain:
    if isinstance(value, Mapping):
        return {_text_key(key, name): plain(value[key], f"{name}.{key}") for key in value}
    if isinstance(value, list | tuple):
        return [plain(item, f"{name}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, set | frozenset):
        return sorted((plain(item, name) for item in value), key=canonical_json)
    if isinstance(value, Path):
        return _path_free(str(value), name)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        values = {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
        return {"type": type(value).__qualname__, **plain(values, name)}
    return _named_by_itself(value, name)


def _named_by_itself(value: object, name: str) -> Plain:
    kind = type(value)
    if kind.__module__.partition(".")[0] == "torch" and kind.__name__ in _TORCH_VALUES:
        return str(value)
    identity = getattr(value, "uuid", None)
    identity = identity() if callable(identity) and not isinstance(value, type) else None
    if identity is None:
        kind_name = f"{kind.__module__}.{kind.__qualname__}"
        raise UnkeyableError(f"{name}: a {kind_name} has no canonical form and no uuid()")
    return {"uuid": plain(identity, name)}


_TORCH_VALUES = ("device", "dtype", "layout", "memory_format", "Size")


def _text_key(key: object, name: str) -> str:
    if isinstance(key, str):
        return key
    return canonical_json(plain(key, f"key of {name}"))


def _path_free(text: str, name: str) -> Plain:
    """Name a file by its content: where it lies is no factor."""
    if not text.startswith(("/", "~")):
        return text
    try:
        content = Path(text).expanduser().read_bytes()
    except (OSError, RuntimeError) as error:
        raise UnkeyableError(
            f"{name}: {text} is a path without readable content ({error})"
        ) from None
    return {"sha256": hashlib.sha256(content).hexdigest()}


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One factor that two sets of factors don't share; a missing one is None."""

    name: str
    before: Plain
    after: Plain


def differences(before: Factors, after: Factors) -> list[Difference]:
    """List the factors that differ, by their dotted names."""
    left, right = (dict(_leaves(json.loads(each.canonical), "")) for each in (before, after))
    return [
        Difference(name=name, before=left.get(name), after=right.get(name))
        for name in sorted({*left, *right})
        if left.get(name, _ABSENT) != right.get(name, _ABSENT)
    ]


_ABSENT = object()


def _leaves(tree: Plain, name: str) -> Iterator[tuple[str, Plain]]:
    if isinstance(tree, dict) and tree:
        for key, value in tree.items():
            yield from _leaves(value, f"{name}.{key}" if name else key)
    else:
        yield name, tree
