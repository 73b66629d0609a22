"""The commands: what they say, what they return, and what they leave."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.compile.cache.makers import FACTORS, RESULT, FakeMaker, cache_at
from vllm.compilation.cache.__main__ import main
from vllm.compilation.cache.entry import verify
from vllm.compilation.cache.housekeeping import parse_age, parse_size
from vllm.compilation.cache.store import Store
from vllm.compilation.counter import compilation_counter

OTHER = replace(FACTORS, compiler={"name": "fake", "inductor": {"max_autotune": True}})
THIRD = replace(FACTORS, device={"cpu": "another"})


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Three entries, last used one, two and three days ago, below VLLM_CACHE_ROOT."""
    monkeypatch.setenv("VLLM_CACHE_ROOT", str(tmp_path))
    store = Store(root=tmp_path / "torch_compile_cache")
    for days, factors in enumerate((FACTORS, OTHER, THIRD), start=1):
        cache_at(store.root).get(factors, FakeMaker())
        then = time.time() - days * 86400
        os.utime(store.entries / factors.key, (then, then))
    return store


def size(store: Store) -> int:
    folder = store.entries / FACTORS.key
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> object:
    assert main(arguments) == 0
    return json.loads(capsys.readouterr().out)


def test_ls_lists_the_last_used_first(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """For people and for programs."""
    rows = printed(capsys, "ls", "--json")
    assert isinstance(rows, list)
    assert [row["key"] for row in rows] == [FACTORS.key, OTHER.key, THIRD.key]
    assert rows[0]["bytes"] == size(store)
    assert rows[2]["unused_seconds"] == pytest.approx(3 * 86400, abs=60)
    assert main(["ls"]) == 0
    assert f"3 entries, {sum(row['bytes'] for row in rows)} bytes" in capsys.readouterr().out


def test_ls_of_no_cache_is_an_empty_list(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A first start is no error."""
    assert printed(capsys, "--cache", str(tmp_path / "none"), "ls", "--json") == []


def test_a_reader_that_stops_early_is_no_error(store: Store) -> None:
    """`ls | head` says nothing of a pipe."""
    command = [sys.executable, "-u", "-m", "vllm.compilation.cache", "--cache", str(store.root)]
    shown = subprocess.Popen([*command, "ls"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert shown.stdout is not None
    shown.stdout.close()
    _, said = shown.communicate()
    assert said == b""


def test_explain_shows_every_factor(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """By the beginning of a key."""
    shown = printed(capsys, "explain", OTHER.key[:12], "--json")
    assert shown == {"key": OTHER.key, "factors": json.loads(OTHER.canonical)}
    assert main(["explain", OTHER.key]) == 0
    assert '  inductor: {"max_autotune": true}' in capsys.readouterr().out


def test_why_miss_names_the_factor_and_both_values(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also between a key and a factors.json from elsewhere, whatever it is called there."""
    assert main(["why-miss", FACTORS.key, OTHER.key]) == 0
    assert capsys.readouterr().out == "compiler.inductor.max_autotune: null -> true\n"
    file = str(store.entries / THIRD.key / "factors.json")
    assert main(["why-miss", FACTORS.key, file]) == 0
    assert 'device.cpu: null -> "another"' in capsys.readouterr().out
    copied = tmp_path / "yesterday.json"
    copied.write_text(THIRD.canonical)
    assert main(["why-miss", FACTORS.key, str(copied)]) == 0
    assert 'device.cpu: null -> "another"' in capsys.readouterr().out
    copied.write_text("no factors")
    assert main(["why-miss", FACTORS.key, str(copied)]) == 4
    assert f"error: {copied}: " in capsys.readouterr().err
    assert printed(capsys, "why-miss", FACTORS.key, FACTORS.key, "--json") == []


@pytest.mark.parametrize("key", ["", "zz"])
def test_a_key_that_is_no_one_entry_is_refused(
    store: Store, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With an exit code of its own, and what to try."""
    assert main(["explain", key]) == 3
    assert "expected one entry, found" in capsys.readouterr().err


def test_verify_finds_damage_and_sets_it_aside_when_told(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """Reading changes nothing."""
    assert main(["verify"]) == 0
    (store.entries / OTHER.key / "artifact.bin").write_text("other")
    assert main(["verify"]) == 4
    assert OTHER.key[:16] in capsys.readouterr().err
    assert len(store.published()) == 3
    assert main(["verify", "--quarantine"]) == 0
    assert store.published() == sorted((FACTORS.key, THIRD.key))
    assert main(["verify"]) == 0


def test_prune_removes_what_is_too_old(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """A dry run says so and removes nothing."""
    assert main(["prune", "--max-age", "60h", "--dry-run"]) == 0
    assert f"remove {THIRD.key[:16]}" in capsys.readouterr().out
    assert len(store.published()) == 3
    assert main(["prune", "--max-age", "60h"]) == 0
    assert store.published() == sorted((FACTORS.key, OTHER.key))
    assert not store.lock(THIRD.key).exists()


def test_prune_keeps_the_last_used_within_the_size(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """The longest unused go first."""
    assert main(["prune", "--max-size", str(2 * size(store) + 200)]) == 0
    assert store.published() == sorted((FACTORS.key, OTHER.key))
    assert main(["prune", "--max-size", "0"]) == 0
    assert store.published() == []
    assert "kept 0 entries" in capsys.readouterr().out


def test_loading_counts_as_use(store: Store) -> None:
    """An old entry that is loaded each day is not old."""
    cache_at(store.root).get(THIRD, FakeMaker())
    assert main(["prune", "--max-age", "1h"]) == 0
    assert store.published() == [THIRD.key]


def test_prune_sweeps_what_killed_processes_left(store: Store) -> None:
    """But nothing that may still be written."""
    for name, days in (("old", 2), ("new", 0)):
        (store.staging / name).mkdir()
        then = time.time() - days * 86400
        os.utime(store.staging / name, (then, then))
    assert main(["prune"]) == 0
    assert [path.name for path in store.staging.iterdir()] == ["new"]
    assert len(store.published()) == 3


@pytest.mark.parametrize(
    ("text", "size_"), [("0", 0), ("5K", 5120), ("2GiB", 2 << 30), ("7mb", 7 << 20)]
)
def test_sizes_are_read(text: str, size_: int) -> None:
    """In powers of 1024."""
    assert parse_size(text) == size_


def test_sizes_and_ages_that_mean_nothing_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is removed."""
    assert parse_age("2w") == 14 * 86400
    for arguments in (["--max-size", "5X"], ["--max-age", "30"], ["--max-age", "-1d"]):
        with pytest.raises(SystemExit) as stop:
            main(["prune", *arguments])
        assert stop.value.code == 2
    assert "expected a size such as 500M" in capsys.readouterr().err


def test_entries_travel_in_one_file(store: Store, tmp_path: Path) -> None:
    """Into an empty cache, and into one that has some of them."""
    archive, there = tmp_path / "all.tar", tmp_path / "there"
    assert main(["export", str(archive)]) == 0
    cache_at(there).get(FACTORS, FakeMaker())
    assert main(["--cache", str(there), "import", str(archive)]) == 0
    landed = Store(root=there)
    assert landed.published() == store.published()
    for key in landed.published():
        verify(landed.entries / key, key)
    with compilation_counter.expect(num_loaded=1, num_compiled=0):
        assert cache_at(there).get(OTHER, FakeMaker()) == RESULT


def test_equal_entries_make_equal_archives(store: Store, tmp_path: Path) -> None:
    """Whoever exports them, whenever."""
    for name in ("one.tar", "two.tar"):
        assert main(["export", str(tmp_path / name), OTHER.key[:8]]) == 0
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


def test_a_damaged_entry_is_not_exported(store: Store, tmp_path: Path) -> None:
    """No archive is written, and one that was there stays."""
    (store.entries / OTHER.key / "artifact.bin").write_text("other")
    archive = tmp_path / "all.tar"
    archive.write_text("before")
    assert main(["export", str(archive)]) == 4
    assert archive.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".export")] == []


@pytest.mark.parametrize("name", ["none/all.tar", "."])
def test_an_archive_that_cannot_be_written_is_refused(
    store: Store, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """By its own name, not that of the file that it would first be."""
    assert main(["export", str(tmp_path / name)]) == 5
    assert f"error: {tmp_path / name}: expected a file in a folder" in capsys.readouterr().err


@pytest.mark.parametrize("place", [".", "torch_compile_cache"])
def test_a_cache_that_is_a_file_is_refused(
    tmp_path: Path, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is not an empty one."""
    file = tmp_path / "file"
    file.write_text("")
    assert main(["--cache", str(file / place), "ls"]) == 1
    assert "expected a folder, found the file" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["../escape", "/etc/escape", f"{'a' * 64}/../../escape", "lonely"])
def test_an_archive_that_leads_elsewhere_is_refused_whole(
    store: Store, tmp_path: Path, name: str
) -> None:
    """Nothing of it is published."""
    archive = tmp_path / "bad.tar"
    assert main(["export", str(archive)]) == 0
    with tarfile.open(archive, "a") as tar:
        tar.addfile(tarfile.TarInfo(name), io.BytesIO())
    there = tmp_path / "there"
    assert main(["--cache", str(there), "import", str(archive)]) == 5
    assert Store(root=there).published() == []
    assert list((there / "staging").iterdir()) == []


def test_an_archive_with_a_link_is_refused(tmp_path: Path) -> None:
    """A link could lead anywhere."""
    archive = tmp_path / "bad.tar"
    with tarfile.open(archive, "w") as tar:
        member = tarfile.TarInfo(f"{'a' * 64}/artifact.bin")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(member)
    assert main(["--cache", str(tmp_path / "there"), "import", str(archive)]) == 5


def test_a_damaged_archive_publishes_nothing(store: Store, tmp_path: Path) -> None:
    """A flipped byte in one entry refuses all; a text file is no archive."""
    archive = tmp_path / "all.tar"
    assert main(["export", str(archive)]) == 0
    data = archive.read_bytes()
    archive.write_bytes(data.replace(b"kernel.sobinaries", b"kernel.sObinaries", 1))
    there = tmp_path / "there"
    assert main(["--cache", str(there), "import", str(archive)]) == 5
    assert Store(root=there).published() == []
    archive.write_text("no archive")
    assert main(["--cache", str(there), "import", str(archive)]) == 5
