"""The plan of a local run: order, shards, matrix, environment, folder, limit, and nothing run."""

from __future__ import annotations

import pytest

from tests.tools.buildkite.conftest import Checkout
from tools.buildkite.errors import UnknownStepError
from tools.buildkite.plan import plan


def test_steps_come_after_what_they_depend_on(checkout: Checkout) -> None:
    """Whatever their order in the file."""
    text = """\
        steps:
        - {label: C, key: c, device: cpu, commands: [x], depends_on: [b, elsewhere]}
        - {label: B, key: b, device: cpu, commands: [x], depends_on: [a]}
        - {label: A, key: a, device: cpu, commands: [x]}
        """
    planned = plan(checkout.areas(text).steps, checkout.root, [])
    assert [step.step.key for step in planned] == ["a", "b", "c"]
    assert planned[2].needs == ("b",)


def test_shards_and_matrix_make_jobs(checkout: Checkout) -> None:
    """Each with its number or value, in commands and environment."""
    text = """\
        steps:
        - label: A {{matrix}}
          key: a
          device: cpu
          matrix: ["3.10", 3.12]
          parallelism: 2
          env: {PYTHON: "{{ matrix }}", COMMIT: $BUILDKITE_COMMIT}
          commands: ['test {{matrix}} $$BUILDKITE_PARALLEL_JOB']
        """
    step = checkout.areas(text).steps[0]
    commit = checkout.commit("one")
    (planned,) = plan([step], checkout.root, [])
    assert [job.name for job in planned.jobs] == ["a-3.10-0", "a-3.10-1", "a-3.12-0", "a-3.12-1"]
    job = planned.jobs[1]
    assert job.commands == ("test 3.10 $BUILDKITE_PARALLEL_JOB",)
    expected = {
        "BUILDKITE_PARALLEL_JOB": "1",
        "BUILDKITE_PARALLEL_JOB_COUNT": "2",
        "BUILDKITE_LABEL": "A 3.10",
        "BUILDKITE_STEP_KEY": "a",
        "BUILDKITE_COMMIT": commit,
        "BUILDKITE_BRANCH": "main",
        "PYTHON": "3.10",
        "PYTHONUNBUFFERED": "1",
        "COMMIT": commit,
    }
    assert job.environment == expected


def test_one_shard_can_be_run_alone(checkout: Checkout) -> None:
    """A number that the step does not have is an error, not another shard and not a pass."""
    step = checkout.step("steps:\n- {label: A, device: cpu, parallelism: 3, commands: [x]}\n")
    (planned,) = plan([step], checkout.root, [], shard=1)
    assert [job.name for job in planned.jobs] == ["a-1"]
    with pytest.raises(UnknownStepError, match="has the shards 0 to 2"):
        plan([step], checkout.root, [], shard=3)


def test_folder_and_limit_are_the_steps(checkout: Checkout) -> None:
    """The agent's workspace is this checkout; minutes are seconds."""
    members = "device: cpu, working_dir: /vllm-workspace/tests, timeout_in_minutes: 2"
    step = checkout.step(f"steps:\n- {{label: A, commands: [x], {members}}}\n")
    (job,) = plan([step], checkout.root, [])[0].jobs
    assert (job.folder, job.timeout_s) == (checkout.root / "tests", 120.0)


def test_a_missing_device_is_part_of_the_plan(checkout: Checkout) -> None:
    """And of what `--json` prints."""
    step = checkout.step("steps:\n- {label: A, key: a, device: h100, commands: [x]}\n")
    (planned,) = plan([step], checkout.root, [])
    assert planned.as_json()["missing"] == "needs sm_90, found none"
