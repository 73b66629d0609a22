"""The command line: exit codes, what goes to stdout, dry runs that touch nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools.buildkite.conftest import Checkout, is_running
from tools.buildkite.__main__ import main
from tools.buildkite.errors import AreasInvalidError, DeviceMissingError, StepFailedError

REPOSITORY = Path(__file__).parents[3]

TWO = """\
    steps:
    - {label: A, key: a, device: cpu, source_file_dependencies: [src/], commands: [touch a]}
    - {label: B, key: b, device: h100, commands: [touch b],
       source_file_dependencies: [src/, '!src/x']}
    """


@pytest.fixture
def here(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    """Return a checkout with two steps as the working folder, on a machine without GPUs."""
    monkeypatch.chdir(checkout.root)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    checkout.write("src/x")
    checkout.areas(TWO)
    return checkout


def test_a_run_without_the_device_is_refused_before_anything_runs(here: Checkout) -> None:
    """It says what it needs and what was found, and the steps that could run did not."""
    with pytest.raises(DeviceMissingError, match="b: needs sm_90, found none"):
        main(["run"])
    assert not (here.root / "a").exists()


def test_allow_skip_runs_the_rest_and_shows_the_skip(
    here: Checkout, capfd: pytest.CaptureFixture[str]
) -> None:
    """The closing table has both steps."""
    assert main(["run", "--allow-skip"]) == 0
    assert (here.root / "a").exists()
    table = capfd.readouterr().err
    assert "skipped" in table
    assert "needs sm_90, found none" in table


def test_a_failed_step_fails_the_run(here: Checkout) -> None:
    """With its name and the place of the log."""
    here.areas("steps:\n- {label: A, key: a, device: cpu, commands: ['false']}\n")
    with pytest.raises(StepFailedError, match="a: see the logs in build/ci"):
        main(["run", "a"])


def test_a_changed_command_changes_the_run(here: Checkout) -> None:
    """The YAML is the one description."""
    here.areas(TWO.replace("touch a", "touch changed"))
    main(["run", "a"])
    assert (here.root / "changed").exists()


def test_a_dry_run_prints_the_plan_and_touches_nothing(
    here: Checkout, capfd: pytest.CaptureFixture[str]
) -> None:
    """Also as JSON; a plan that cannot run here exits as the run would."""
    assert main(["run", "a", "--dry-run"]) == 0
    assert "    touch a" in capfd.readouterr().out
    with pytest.raises(DeviceMissingError):
        main(["run", "b", "--dry-run", "--json"])
    assert json.loads(capfd.readouterr().out)[0]["missing"] == "needs sm_90, found none"
    assert not (here.root / "build").exists()


def test_json_of_a_run_has_stdout_for_itself(
    here: Checkout, capfd: pytest.CaptureFixture[str]
) -> None:
    """The commands' output goes to stderr then."""
    here.areas("steps:\n- {label: A, key: a, device: cpu, commands: [echo loud]}\n")
    main(["run", "a", "--json"])
    captured = capfd.readouterr()
    assert json.loads(captured.out)[0]["state"] == "ok"
    assert "loud" in captured.err


def test_explain_says_file_and_rule(here: Checkout, capfd: pytest.CaptureFixture[str]) -> None:
    """For each changed file what took it in and out."""
    first = here.commit("one")
    here.write("src/x", "2")
    here.write("other", "2")
    here.commit("two")
    main(["explain", "b", "--diff", f"{first}..HEAD"])
    area = ".buildkite/test_areas/area.yaml:4"
    assert capfd.readouterr().out.splitlines() == [
        f"b: passed: excluded src/x by '!src/x' ({area})",
        "  other: no rule",
        f"  src/x: in by 'src/' ({area})",
        f"  src/x: out by '!src/x' ({area})",
    ]
    main(["explain", "b", "--diff", f"{first}..HEAD", "--json"])
    matches = json.loads(capfd.readouterr().out)["matches"]
    assert [(found["file"], (found["exclude"] or {}).get("text")) for found in matches] == [
        ("other", None),
        ("src/x", "!src/x"),
    ]


def test_list_says_what_a_file_runs(here: Checkout, capfd: pytest.CaptureFixture[str]) -> None:
    """On stdout, as lines and as JSON."""
    main(["list", "--file", "src/x"])
    lines = capfd.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [["run", "a"], ["pass", "b"]]
    main(["list", "--file", "src/x", "--json"])
    assert [one["chosen"] for one in json.loads(capfd.readouterr().out)] == [True, False]


def test_emit_writes_a_file_whole(here: Checkout) -> None:
    """And nothing beside it."""
    assert main(["emit", "--all", "--output", "out/pipeline.yaml"]) == 0
    assert [path.name for path in (here.root / "out").iterdir()] == ["pipeline.yaml"]


def test_broken_step_files_stop_every_command(
    here: Checkout, capfd: pytest.CaptureFixture[str]
) -> None:
    """A misspelt key never runs, lists or uploads anything."""
    here.areas("steps:\n- {label: A, comands: [x]}\n")
    for command in (["list"], ["run"], ["emit"], ["explain", "A"], ["lint"]):
        with pytest.raises(AreasInvalidError):
            main(command)
    assert "did you mean 'commands'?" in capfd.readouterr().out


def test_a_folder_without_step_files_is_not_clean(here: Checkout) -> None:
    """A lint that found nothing to check must not pass."""
    (here.root / ".buildkite/test_areas/area.yaml").unlink()
    with pytest.raises(AreasInvalidError, match="found none"):
        main(["lint"])


def test_a_stopped_run_stops_its_step(here: Checkout) -> None:
    """SIGTERM to the tool, as an agent or nox sends it, ends the step's processes too."""
    here.areas(
        "steps:\n- {label: A, key: a, device: cpu,"
        " commands: ['echo $$$$ > pid; echo up; sleep 600']}\n"
    )
    command = [sys.executable, "-m", "tools.buildkite", "--root", str(here.root), "run", "a"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen(
        [*command, "--out", str(here.root / "out")],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as tool:
        assert tool.stdout is not None
        assert b"up\n" in iter(tool.stdout.readline, b"")
        tool.send_signal(signal.SIGTERM)
        assert tool.wait(30) == 130
    assert not is_running(int((here.root / "pid").read_text()))


def test_no_job_at_once_is_refused(here: Checkout, capfd: pytest.CaptureFixture[str]) -> None:
    """The message names the value; nothing runs one job at a time instead."""
    with pytest.raises(SystemExit):
        main(["run", "a", "--jobs", "0"])
    assert "--jobs 0: expected 1 or more" in capfd.readouterr().err
    assert not (here.root / "a").exists()


@pytest.mark.parametrize("command", ["list", "explain a", "run", "emit", "lint"])
def test_a_folder_without_step_files_is_refused(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No command passes because it looked in the wrong place."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AreasInvalidError, match=r"expected step files in .buildkite, found none"):
        main(command.split())
    assert list(tmp_path.iterdir()) == []
