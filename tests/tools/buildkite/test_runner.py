"""Local runs with real shells: states, logs, JUnit files, and what never passes in silence."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from tests.tools.buildkite.conftest import Checkout, is_running
from tools.buildkite import processes
from tools.buildkite.devices import Gpu
from tools.buildkite.plan import PlannedStep, plan
from tools.buildkite.results import JobResult
from tools.buildkite.runner import Runner

HOPPERS = [Gpu(index=n, uuid=f"GPU-{n}", name="NVIDIA H200", capability="9.0") for n in range(2)]


def planned(checkout: Checkout, text: str, gpus: Sequence[Gpu] = ()) -> tuple[PlannedStep, ...]:
    areas = checkout.areas(text)
    assert not areas.findings
    return plan(areas.steps, checkout.root, gpus)


def ran(
    checkout: Checkout, steps: Sequence[PlannedStep], gpus: Sequence[Gpu] = ()
) -> tuple[tuple[JobResult, ...], str]:
    output = io.BytesIO()
    runner = Runner(out=checkout.root / "out", gpus=gpus, at_once=2, output=output)
    return runner.run(steps), output.getvalue().decode()


def junit(checkout: Checkout, job: str) -> ElementTree.Element:
    return ElementTree.parse(checkout.root / f"out/{job}.xml").getroot()


def one(*commands: str, **members: object) -> str:
    lines = [f"  {name}: {value}" for name, value in members.items()]
    listed = [f"  - {command!r}" for command in commands]
    return "\n".join(
        ["steps:", "- label: A", "  key: a", "  device: cpu", *lines, "  commands:", *listed, ""]
    )


def test_commands_share_one_shell_and_are_shown_and_logged(checkout: Checkout) -> None:
    """An export and a cd hold for the commands that follow, as on an agent."""
    (checkout.root / "sub").mkdir()
    steps = planned(checkout, one("export B=seen", "cd sub", 'echo "$$B in $${PWD##*/}"'))
    (result,), output = ran(checkout, steps)
    assert result.state == "ok"
    assert "seen in sub" in output
    assert "--- [2/3] cd sub" in output
    assert (checkout.root / "out/a.log").read_text() == output
    assert not list((checkout.root / "out").glob("*.p*"))


@pytest.mark.parametrize(
    "command", ["false", "false && true", "exit 4", "(exit 4)", "set +e; false", "not-a-program"]
)
def test_a_failing_command_ends_the_step(checkout: Checkout, command: str) -> None:
    """Also where `set -e` alone would go on; the next command never starts."""
    (result,), output = ran(checkout, planned(checkout, one("true", command, "echo after")))
    assert result.state == "failed"
    assert result.detail.startswith("command 2 of 3 exited")
    assert "after" not in output.replace("--- [3/3]", "")


def test_junit_has_a_case_for_each_command_that_started(checkout: Checkout) -> None:
    """The failed one carries the end of the log, control characters replaced."""
    ran(checkout, planned(checkout, one("true", "printf 'bad \\001 end'; exit 7", "never")))
    suite = junit(checkout, "a")
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    failure = suite.findall("testcase")[1].find("failure")
    assert failure is not None
    assert failure.get("message") == "command 2 of 3 exited 7"
    assert "bad ? end" in (failure.text or "")


def test_a_hanging_step_is_killed_and_says_where_it_hung(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The grandchild is gone with it."""
    monkeypatch.setattr(processes, "GRACE_S", 0.3)
    (step,) = planned(checkout, one("true", "sleep 600 & echo $$! > pid; wait"))
    (result,), _ = ran(checkout, [replace(step, jobs=(replace(step.jobs[0], timeout_s=0.5),))])
    assert result.state == "timed-out"
    assert result.detail.startswith("command 2 of 2 was still running after")
    assert not is_running(int((checkout.root / "pid").read_text()))
    assert junit(checkout, "a").get("failures") == "1"


def test_a_soft_failure_is_shown_and_does_not_block(checkout: Checkout) -> None:
    """What depends on the step still runs."""
    text = """\
        steps:
        - {label: A, key: a, device: cpu, soft_fail: true, commands: ["false"]}
        - {label: B, key: b, device: cpu, depends_on: [a], commands: ["true"]}
        """
    results, _ = ran(checkout, planned(checkout, text))
    assert [result.state for result in results] == ["soft-failed", "ok"]


def test_what_needs_a_failed_step_is_blocked_not_run(checkout: Checkout) -> None:
    """All the way down, unless the step allows the failure."""
    text = """\
        steps:
        - {label: A, key: a, device: cpu, parallelism: 2, commands: ['[ $$BUILDKITE_PARALLEL_JOB = 1 ]']}
        - {label: B, key: b, device: cpu, depends_on: [a], commands: ["touch b"]}
        - {label: C, key: c, device: cpu, depends_on: [b], commands: ["touch c"]}
        - {label: D, key: d, device: cpu, depends_on: [a], allow_dependency_failure: true, commands: [":"]}
        """  # noqa: E501
    results, _ = ran(checkout, planned(checkout, text))
    states = {result.name: result.state for result in results}
    assert states == {"a-0": "failed", "a-1": "ok", "b": "blocked", "c": "blocked", "d": "ok"}
    assert not (checkout.root / "b").exists()


def test_a_step_without_its_device_is_a_visible_skip(checkout: Checkout) -> None:
    """So is what needs it; both have a JUnit file that says so."""
    text = """\
        steps:
        - {label: A, key: a, device: h100, commands: ["touch a"]}
        - {label: B, key: b, device: cpu, depends_on: [a], commands: ["touch b"]}
        """
    results, _ = ran(checkout, planned(checkout, text))
    assert [(result.state, result.detail) for result in results] == [
        ("skipped", "needs sm_90, found none"),
        ("skipped", "needs a: skipped"),
    ]
    skipped = junit(checkout, "a").find("testcase/skipped")
    assert skipped is not None
    assert skipped.get("message") == "needs sm_90, found none"
    assert not (checkout.root / "a").exists()


def test_shards_run_at_once_each_under_its_name(checkout: Checkout) -> None:
    """Each waits for the other, so that one after another would hang."""
    wait = "touch $$BUILDKITE_PARALLEL_JOB; until [ -e 0 ] && [ -e 1 ]; do sleep 0.01; done"
    text = one(wait, "printf met", parallelism=2, timeout_in_minutes=1)
    results, output = ran(checkout, planned(checkout, text))
    assert [result.state for result in results] == ["ok", "ok"]
    assert "[a-0] met\n" in output  # although no line end was printed
    assert "[a-1] met\n" in output


def test_values_of_a_matrix_take_turns(checkout: Checkout) -> None:
    """They build in one checkout: none may start while another has not ended."""
    command = "mkdir lock; sleep 0.05; rmdir lock; echo {{matrix}} >> order"
    text = one(command, matrix="[a, b, c]").replace("device: cpu", "device: h100")
    ran(checkout, planned(checkout, text, HOPPERS), HOPPERS)
    assert (checkout.root / "order").read_text().split() == ["a", "b", "c"]


def test_a_job_sees_only_the_gpus_that_it_holds(checkout: Checkout) -> None:
    """Two shards on two GPUs never share one."""
    note = 'echo "$$CUDA_VISIBLE_DEVICES" > $$BUILDKITE_PARALLEL_JOB'
    wait = "until [ -e 0 ] && [ -e 1 ]; do sleep 0.01; done"
    text = one(note, wait, parallelism=2, timeout_in_minutes=1).replace(
        "device: cpu", "device: h100"
    )
    ran(checkout, planned(checkout, text, HOPPERS), HOPPERS)
    held = {(checkout.root / name).read_text().strip() for name in "01"}
    assert held == {"GPU-0", "GPU-1"}


def test_a_working_folder_that_is_not_there_fails_the_step(checkout: Checkout) -> None:
    """With its name, not with a traceback."""
    text = one("true", working_dir="/vllm-workspace/gone")
    (result,), _ = ran(checkout, planned(checkout, text))
    assert result.state == "failed"
    assert "gone is not there" in result.detail
    assert junit(checkout, "a").get("failures") == "1"
