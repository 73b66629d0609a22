"""Keeping the cache small and sound: what prune removes, planned before it is done, and what verify
finds.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from vllm.compilation.cache import entry
from vllm.compilation.cache.flight import remove_idle
from vllm.compilation.cache.store import Store

# A staging folder untouched for so long belongs to a process that was killed.
_ABANDONED_SECONDS = 24 * 3600
_SIZES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_AGES = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


@dataclass(frozen=True, kw_only=True)
class Held:
    """One entry as it lies there."""

    key: str
    size: int
    last_use: float


@dataclass(frozen=True, kw_only=True)
class Pruning:
    """What prune removes, and why each."""

    entries: tuple[tuple[Held, str], ...]
    leftovers: tuple[Path, ...]
    kept: int
    kept_size: int


def parse_size(text: str) -> int:
    """Return the bytes that a text such as 500M or 2G names.

    Raises: ValueError for any other text.
    """
    match = re.fullmatch(r"(\d+)([KMGT]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    if match is None:
        raise ValueError(f"expected a size such as 500M or 2G, got {text!r}")
    return int(match[1]) * _SIZES[match[2].upper()]


def parse_age(text: str) -> int:
    """Return the seconds that a text such as 30d or 12h names.

    Raises: ValueError for any other text.
    """
    match = re.fullmatch(r"(\d+)([smhdw])", text.strip())
    if match is None:
        raise ValueError(f"expected an age such as 30d or 12h, got {text!r}")
    return int(match[1]) * _AGES[match[2]]


def held(store: Store) -> list[Held]:
    """List the entries, the last used first."""
    rows = []
    for key in store.published():
        folder = store.entries / key
        try:
            row = Held(key=key, size=entry.size_of(folder), last_use=folder.stat().st_mtime)
        except FileNotFoundError:  # pruned meanwhile
            continue
        rows.append(row)
    return sorted(rows, key=lambda row: row.last_use, reverse=True)


def plan_pruning(
    store: Store, *, max_size: int | None, max_age: int | None, now: float | None = None
) -> Pruning:
    """Plan to remove what was unused for too long, then the longest unused until the rest fits."""
    now = time.time() if now is None else now
    removed: list[tuple[Held, str]] = []
    kept, kept_size = 0, 0
    for row in held(store):
        if max_age is not None and now - row.last_use > max_age:
            removed.append((row, "unused for too long"))
        elif max_size is not None and kept_size + row.size > max_size:
            removed.append((row, "beyond the size"))
        else:
            kept, kept_size = kept + 1, kept_size + row.size
    leftovers = tuple(sorted(_abandoned(store, now)))
    return Pruning(entries=tuple(removed), leftovers=leftovers, kept=kept, kept_size=kept_size)


def prune(store: Store, plan: Pruning) -> tuple[int, int]:
    """Remove what was planned; return how many entries went and their bytes.

    An entry leaves its name by a rename before its files go, so that no reader sees half of it.
    """
    gone, size = 0, 0
    store.staging.mkdir(parents=True, exist_ok=True)
    for row, _reason in plan.entries:
        grave = store.staging / f"removed-{row.key[:12]}-{os.getpid()}"
        try:
            (store.entries / row.key).rename(grave)
        except FileNotFoundError:
            continue
        shutil.rmtree(grave, ignore_errors=True)
        remove_idle(store.lock(row.key))
        gone, size = gone + 1, size + row.size
    for leftover in plan.leftovers:
        shutil.rmtree(leftover, ignore_errors=True)
    return gone, size


def damages(store: Store, keys: list[str]) -> dict[str, str]:
    """Verify entries; return what is wrong with the damaged ones."""
    found = {}
    for key in keys:
        try:
            entry.verify(store.entries / key, key)
        except entry.DamagedError as damage:
            found[key] = str(damage)
    return found


def _abandoned(store: Store, now: float) -> list[Path]:
    folders = store.staging.iterdir() if store.staging.is_dir() else ()
    return [folder for folder in folders if now - folder.stat().st_mtime > _ABANDONED_SECONDS]
