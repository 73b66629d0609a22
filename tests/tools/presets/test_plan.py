"""A presets file that is there: replaced where it is ours, or one clear error and the file as it
was.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.tools.presets.machines import GIB, Checkout, fake_nvcc, typing
from tools.presets.errors import (
    ExistingPresetsError,
    InvalidPresetsError,
    NameTakenError,
    StalePresetsError,
    UnwritablePresetsError,
)
from tools.presets.machine import Machine


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_an_existing_file_asks_first(checkout: Checkout) -> None:
    """Without a terminal it takes the flag; a no and an end of input leave the file."""
    checkout.run()
    before = checkout.file.read_bytes()
    checkout.machine = Machine(cores=1, memory=GIB)
    for typed in ("n\n", "", "\n"):
        checkout.questions = typing(typed)
        with pytest.raises(ExistingPresetsError, match="--force-overwrite"):
            checkout.run()
        assert checkout.file.read_bytes() == before
    checkout.questions = typing("y\n")
    with checkout.file.open("rb") as opened:
        assert checkout.run() == 0
        assert opened.read() == before  # replaced by rename, not written over
    assert checkout.variables()["CMAKE_JOB_POOLS"] == "compile=1;cuda=1;link=1"


def test_a_current_file_is_not_written_again(checkout: Checkout) -> None:
    """Nothing differs, so nothing is asked and its time stays."""

    def written() -> tuple[int, int]:
        """Which file it is and when it was written; when it was read is no matter."""
        there = checkout.file.stat()
        return there.st_ino, there.st_mtime_ns

    checkout.run()
    before = written()
    assert checkout.run() == 0
    assert checkout.run("--check") == 0
    assert written() == before


def test_check_says_which_values_are_stale(checkout: Checkout, tmp_path: Path) -> None:
    """Exit code 71, names and both values; nothing is written."""
    with pytest.raises(StalePresetsError, match="configurePresets/release: none -> new"):
        checkout.run("--check")
    assert not checkout.file.exists()
    checkout.run()
    before = checkout.file.read_bytes()
    other = fake_nvcc(tmp_path / "other")
    with pytest.raises(StalePresetsError) as caught:
        checkout.run("--check", "--nvcc", str(other))
    assert f"CMAKE_CUDA_COMPILER: {checkout.nvcc} -> {other}" in str(caught.value)
    assert caught.value.exit_code == 71
    assert checkout.file.read_bytes() == before


def test_print_writes_nothing(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    """stdout is the file as it would be."""
    assert checkout.run("--print") == 0
    printed = capsys.readouterr().out
    assert not checkout.file.exists()
    checkout.run()
    assert checkout.file.read_text() == printed


def test_a_preset_that_a_person_added_is_byte_identical_after(checkout: Checkout) -> None:
    """Also where ours beside it is replaced."""
    mine = '{"name": "mine",\t"inherits":"release", "cacheVariables": {"A":"\\u0041"} }'
    checkout.file.write_text('{"version": 6, "configurePresets": [\n' + mine + "]}")
    checkout.run("--force-overwrite")
    checkout.machine = Machine(cores=1, memory=GIB)
    checkout.run("--force-overwrite")
    text = checkout.file.read_text()
    assert text.count(mine) == 1
    assert [each["name"] for each in json.loads(text)["configurePresets"]] == ["mine", "release"]


def test_a_generated_preset_that_was_edited_is_named_before_it_is_overwritten(
    checkout: Checkout,
) -> None:
    """The error says so; the flag overwrites it."""
    checkout.run()
    edited = checkout.file.read_text().replace('"Release"', '"Debug"')
    checkout.file.write_text(edited)
    with pytest.raises(ExistingPresetsError, match="edited by hand: configurePresets/release"):
        checkout.run("--no-input")
    assert checkout.file.read_text() == edited
    checkout.run("--force-overwrite")
    assert checkout.variables()["CMAKE_BUILD_TYPE"] == "Release"


@pytest.mark.parametrize("name", ["default", "base", "theirs"])
def test_a_name_that_somebody_else_has_is_refused(checkout: Checkout, name: str) -> None:
    """Committed presets and those of a person are never ours to replace, even by force."""
    text = '{"version": 6, "buildPresets": [{"name": "theirs", "jobs": 1}]}'
    checkout.file.write_text(text)
    with pytest.raises(NameTakenError, match=f"--preset {name}"):
        checkout.run("--preset", name, "--force-overwrite")
    assert checkout.file.read_text() == text


def test_invalid_json_is_one_error_and_stays(checkout: Checkout) -> None:
    """Line and column are named; force does not throw the file away."""
    checkout.file.write_text('{"version": 6,\n  oops}')
    with pytest.raises(InvalidPresetsError, match="in line 2, column 3"):
        checkout.run("--force-overwrite")
    assert checkout.file.read_text() == '{"version": 6,\n  oops}'


def test_a_write_that_fails_leaves_the_file(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk, a folder that is read-only: one error, the old bytes, no leftover."""
    checkout.run()
    before = checkout.file.read_bytes()
    checkout.machine = Machine(cores=1, memory=GIB)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(UnwritablePresetsError, match="No space left on device"):
        checkout.run("--force-overwrite")
    assert checkout.file.read_bytes() == before
    assert sorted(path.name for path in checkout.root.iterdir()) == [
        "CMakePresets.json",
        "CMakeUserPresets.json",
    ]


def test_a_folder_in_which_no_file_can_be_made_is_one_error(checkout: Checkout) -> None:
    """Root may write anywhere, but nobody makes a file in /proc: a link leads there."""
    checkout.file.symlink_to("/proc/self/fdinfo/CMakeUserPresets.json")
    with pytest.raises(UnwritablePresetsError, match="expected a folder that we may write to"):
        checkout.run()


def test_a_link_stays_one(checkout: Checkout, tmp_path: Path) -> None:
    """What it leads to is written."""
    target = tmp_path / "kept.json"
    target.write_text('{"version": 6}')
    checkout.file.symlink_to(target)
    checkout.run("--force-overwrite")
    assert checkout.file.is_symlink()
    assert "release" in target.read_text()
