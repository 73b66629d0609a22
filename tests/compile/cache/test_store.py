"""Entries: whole or not there, verified whenever they are taken, set aside when they are
damaged.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.compile.cache.makers import FACTORS, PARTS, RESULT, FakeMaker, cache_at
from vllm.compilation.cache.entry import CHECKSUMS, DamagedError, files_of, verify
from vllm.compilation.cache.store import Store
from vllm.compilation.counter import compilation_counter
from vllm.compilation.factors import Factors, UnsavableError

FILES = [*PARTS, "factors.json", CHECKSUMS]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with one entry."""
    with compilation_counter.expect(num_compiled=1, num_saved=1, num_loaded=0):
        assert cache_at(tmp_path).get(FACTORS, FakeMaker()) == RESULT
    return Store(root=tmp_path)


def entry_of(store: Store) -> Path:
    return store.entries / FACTORS.key


def test_an_entry_holds_its_artefact_its_factors_and_checksums(store: Store) -> None:
    """And nothing is left beside it."""
    assert sorted(FILES) == files_of(entry_of(store))
    verify(entry_of(store), FACTORS.key)
    assert json.loads((entry_of(store) / "factors.json").read_text())["model"] == {"name": "fake"}
    assert list(store.staging.iterdir()) == []


def test_a_new_process_loads_and_the_same_one_does_not_ask_again(store: Store) -> None:
    """Equal artefacts are loaded once."""
    cache = cache_at(store.root)
    with compilation_counter.expect(num_compiled=0, num_loaded=1, num_saved=0):
        assert cache.get(FACTORS, FakeMaker()) == RESULT
        assert cache.get(FACTORS, FakeMaker()) == RESULT


def flip_first(data: bytes) -> bytes:
    return bytes([data[0] ^ 1]) + data[1:]


def flip_middle(data: bytes) -> bytes:
    return (
        data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 0x20]) + data[len(data) // 2 + 1 :]
    )


def flip_last(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 0x80])


def truncated(data: bytes) -> bytes:
    return data[:-1]


def lengthened(data: bytes) -> bytes:
    return data + b" "


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", [flip_first, flip_middle, flip_last, truncated, lengthened])
def test_a_damaged_file_is_found_set_aside_and_rebuilt(
    store: Store, name: str, damage: Callable[[bytes], bytes]
) -> None:
    """Whichever file of the entry, wherever in it."""
    file = entry_of(store) / name
    file.write_bytes(damage(file.read_bytes()))
    with compilation_counter.expect(num_quarantined=1, num_compiled=1, num_saved=1, num_loaded=0):
        assert cache_at(store.root).get(FACTORS, FakeMaker()) == RESULT
    verify(entry_of(store), FACTORS.key)
    (aside,) = store.quarantine.iterdir()
    assert (aside / "entry" / name).exists()
    assert (aside / "reason.txt").read_text().startswith(FACTORS.key)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_or_additional_file_is_damage(store: Store, name: str) -> None:
    """An entry is exactly what was published."""
    (entry_of(store) / name).rename(entry_of(store) / "other")
    with pytest.raises(DamagedError):
        verify(entry_of(store), FACTORS.key)


def test_an_entry_under_another_key_is_damage(store: Store) -> None:
    """A whole entry in the wrong place would be stale code."""
    other = Factors(model={"name": "another"})
    entry_of(store).rename(store.entries / other.key)
    with compilation_counter.expect(num_quarantined=1, num_compiled=1):
        cache_at(store.root).get(other, FakeMaker())


def test_a_cache_that_may_only_be_read_serves(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its entries' times stay as they are."""

    touch = os.utime

    def refuse(path: Path, *times: Any, **named: Any) -> None:
        if Path(path) == entry_of(store):
            raise PermissionError("read-only file system")
        touch(path, *times, **named)

    monkeypatch.setattr(os, "utime", refuse)
    with compilation_counter.expect(num_loaded=1, num_compiled=0):
        assert cache_at(store.root).get(FACTORS, FakeMaker()) == RESULT


class Unloadable(FakeMaker):
    """Makes artefacts, and fails to load them once."""

    def load(self, folder: Path) -> dict[str, str]:
        raise RuntimeError("undefined symbol")


def test_an_undamaged_entry_that_cannot_be_loaded_is_rebuilt(store: Store) -> None:
    """What is right by its checksums can still be of no use."""
    with compilation_counter.expect(num_quarantined=1, num_compiled=1, num_saved=1):
        assert cache_at(store.root).get(FACTORS, Unloadable()) == RESULT


class Failing(FakeMaker):
    """Fails while it makes."""

    def compile(self, folder: Path | None) -> dict[str, str]:
        if folder is not None:
            (folder / "artifact.bin").write_text("half")
        raise ZeroDivisionError("a bug of the compiler")


class Unsavable(FakeMaker):
    """Makes what has no saved form."""

    def compile(self, folder: Path | None) -> dict[str, str]:
        raise UnsavableError("it holds a lambda", RESULT)


def test_a_failing_compiler_publishes_nothing(tmp_path: Path) -> None:
    """Its error passes through, and the next may try at once."""
    with pytest.raises(ZeroDivisionError):
        cache_at(tmp_path).get(FACTORS, Failing())
    assert Store(root=tmp_path).published() == []
    assert list((tmp_path / "staging").iterdir()) == []
    assert cache_at(tmp_path).get(FACTORS, FakeMaker()) == RESULT


def test_what_cannot_be_saved_is_used_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Compiled once, not twice, and said."""
    with compilation_counter.expect(num_compiled=1, num_uncached=1, num_saved=0):
        assert cache_at(tmp_path).get(FACTORS, Unsavable()) == RESULT
    assert "not cached: it holds a lambda" in caplog.text
    assert Store(root=tmp_path).published() == []


def test_an_entry_that_is_pruned_meanwhile_is_a_miss(store: Store, tmp_path: Path) -> None:
    """Not an error."""
    (entry_of(store) / "factors.json").unlink()
    for name in files_of(entry_of(store)):
        (entry_of(store) / name).unlink()
    assert not store.take(FACTORS.key, tmp_path / "copy")
