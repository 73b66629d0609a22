"""What writing presets would change in CMakeUserPresets.json, and the writing."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.presets.document import EMPTY, Document
from tools.presets.errors import (
    ExistingPresetsError,
    NameTakenError,
    StalePresetsError,
    UnwritablePresetsError,
)
from tools.presets.generated import Facts, Kind, Preset, generate, is_edited, is_generated

FILE = "CMakeUserPresets.json"
COMMITTED = "CMakePresets.json"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The file as it is to be, and what is different in it."""

    path: Path
    exists: bool
    text: str
    changes: tuple[str, ...]  # "release: NVCC_THREADS: 1 -> 2"
    edited: tuple[str, ...]  # generated presets that a person has edited since

    @property
    def current(self) -> bool:
        """Whether nothing would be written."""
        return not self.changes

    def require_current(self) -> None:
        """Raises: StalePresetsError."""
        if not self.current:
            found = "\n  ".join(self.changes)
            raise StalePresetsError(
                f"{self.path.name}: expected the presets of this machine, found\n  {found}\n"
                "try: python tools/generate_cmake_presets.py --force-overwrite"
            )

    def require_consent(self, consents: bool) -> None:
        """Raises: ExistingPresetsError, where the file is there and nobody agreed."""
        if self.exists and not consents:
            edited = f", edited by hand: {', '.join(self.edited)}" if self.edited else ""
            raise ExistingPresetsError(
                f"{self.path.name}: expected no file, or a yes on a terminal, before presets in it "
                f"are written{edited}; found the file; try --force-overwrite (presets that you "
                "added stay as they are)"
            )

    def write(self) -> None:
        """Replace the file whole. Raises: UnwritablePresetsError."""
        path = self.path.resolve()  # a link stays one
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            with part.open("wb") as stream:
                stream.write(self.text.encode())
                stream.flush()
                os.fsync(stream.fileno())
            part.replace(path)
        except OSError as error:
            raise UnwritablePresetsError(
                f"{path}: expected a folder that we may write to, found {error.strerror}; "
                "make it writable, or see the presets with --print"
            ) from None
        finally:
            _remove(part)


def plan(root: Path, facts: Facts) -> Plan:
    """Compare the file with the presets of these facts.

    Raises: InvalidPresetsError, NameTakenError.
    """
    path = root / FILE
    _require_free(root, facts.name)
    present = _read(path)
    before = present or Document(name=path.name, text=EMPTY)
    after = before.with_schema()
    changes: list[str] = []
    edited: list[str] = []
    for kind, preset in generate(facts).items():
        node = before.find(kind, facts.name)
        if node and not is_generated(node.value):
            raise _taken(facts.name, path.name)
        if node and is_edited(node.value):
            edited.append(f"{kind}/{facts.name}")
        if node is None or node.value != preset:
            after = after.with_preset(kind, preset)
            changes += _changes(kind, node.value if node else None, preset)
    return Plan(
        path=path,
        exists=present is not None,
        text=after.text,
        changes=tuple(changes),
        edited=tuple(edited),
    )


def recorded_python(root: Path, name: str) -> str | None:
    """Return the interpreter that the file's presets of this name are for. Raises:
    InvalidPresetsError.
    """
    present = _read(root / FILE)
    node = present.find("configurePresets", name) if present else None
    found = node.value.get("cacheVariables", {}).get("VLLM_PYTHON_EXECUTABLE") if node else None
    return found if isinstance(found, str) else None


def _read(path: Path) -> Document | None:
    try:
        return Document.parse(path.name, path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UnwritablePresetsError(
            f"{path}: expected a file that we may read, found {error.strerror}; move it away"
        ) from None


def _require_free(root: Path, name: str) -> None:
    """Raises: NameTakenError, where the committed presets have this name."""
    committed = Document.parse(COMMITTED, (root / COMMITTED).read_bytes())
    kinds: tuple[Kind, ...] = ("configurePresets", "buildPresets")
    if any(committed.find(kind, name) for kind in kinds):
        raise _taken(name, COMMITTED)


def _taken(name: str, file: str) -> NameTakenError:
    return NameTakenError(
        f"--preset {name}: expected a name that no preset of a person has, found it in {file}; "
        "choose another with --preset, or rename that one"
    )


def _changes(kind: str, before: Preset | None, after: Preset) -> Iterator[str]:
    """Yield a line for each value that differs, cache variables by their names."""
    where = f"{kind}/{after['name']}"
    if before is None:
        yield f"{where}: none -> new"
        return
    old, new = _flat(before), _flat(after)
    for key in sorted(old.keys() | new.keys()):
        if old.get(key) != new.get(key):
            yield f"{where}: {key}: {_spell(old.get(key))} -> {_spell(new.get(key))}"


def _flat(preset: Preset) -> dict[str, Any]:
    """Return what a preset says by key; the mark says nothing."""
    variables = preset.get("cacheVariables")
    rest = {key: each for key, each in preset.items() if key not in {"cacheVariables", "vendor"}}
    return rest | (variables if isinstance(variables, dict) else {})


def _spell(value: object) -> str:
    return "none" if value is None else value if isinstance(value, str) else json.dumps(value)


def _remove(part: Path) -> None:
    try:
        part.unlink(missing_ok=True)
    except OSError:
        return  # as unwritable as what was reported
