"""The emitted pipeline: valid by Buildkite's schema, and true to the step."""

from __future__ import annotations

import json
from importlib import import_module
from importlib.metadata import distribution
from pathlib import Path
from typing import cast

import pytest
import yaml

from tests.tools.buildkite.conftest import Checkout
from tools.buildkite.areas import read_areas
from tools.buildkite.emit import as_yaml, pipeline

REPOSITORY = Path(__file__).parents[3]
jsonschema = import_module("jsonschema")  # has no types; comes with check-jsonschema

FULL = """\
    group: Kernels
    steps:
    - label: Build
      key: build
      device: cpu-medium
      commands: [make]
      artifact_paths: [dist/*.whl, log.txt]
    - label: Test %N on {{matrix}}
      key: test
      device: h100
      depends_on: [build]
      working_dir: /vllm-workspace/tests
      if: build.branch == "main"
      allow_dependency_failure: true
      soft_fail: true
      optional: true
      parallelism: 3
      concurrency: 1
      concurrency_group: gpu
      timeout_in_minutes: 9
      matrix: ["3.10", "3.12"]
      env: {MODE: x}
      agent_tags: {zone: b}
      retry: {automatic: [{exit_status: 3, limit: 2}], manual: {allowed: false}}
      commands: ["pytest --shard-id=$$BUILDKITE_PARALLEL_JOB -k 'a b'"]
    """


@pytest.fixture(scope="module")
def schema() -> dict[str, object]:
    """Return Buildkite's schema, which check-jsonschema carries."""
    inside = "check_jsonschema/builtin_schemas/vendor/buildkite.json"
    file = Path(str(distribution("check-jsonschema").locate_file(inside)))
    return cast("dict[str, object]", json.loads(file.read_text(encoding="utf-8")))


def emitted(checkout: Checkout) -> list[dict[str, object]]:
    (group,) = cast(
        "list[dict[str, list[dict[str, object]]]]", pipeline(checkout.areas(FULL).steps)["steps"]
    )
    return group["steps"]


def test_the_pipeline_is_valid_by_buildkites_schema(
    checkout: Checkout, schema: dict[str, object]
) -> None:
    """With every key that we emit in use, and with nothing to run."""
    for steps in (checkout.areas(FULL).steps, ()):
        jsonschema.validate(yaml.safe_load(as_yaml(steps)), schema)


def test_the_schema_refuses_a_key_that_buildkite_does_not_know(
    checkout: Checkout, schema: dict[str, object]
) -> None:
    """So that the test above can fail."""
    document = yaml.safe_load(as_yaml(checkout.areas(FULL).steps))
    document["steps"][0]["steps"][0]["timeout_in_minuts"] = 3
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema)


def test_our_own_pipeline_is_valid_by_buildkites_schema(schema: dict[str, object]) -> None:
    """What the areas emit, and the bootstrap that uploads it."""
    jsonschema.validate(yaml.safe_load(as_yaml(read_areas(REPOSITORY).steps)), schema)
    bootstrap = (REPOSITORY / ".buildkite/pipeline.yaml").read_text(encoding="utf-8")
    jsonschema.validate(yaml.safe_load(bootstrap), schema)


def test_everything_that_a_step_says_is_emitted(checkout: Checkout) -> None:
    """Matrix, shards, queue and tags, limits, retry, conditions."""
    step = emitted(checkout)[1]
    assert step == {
        "label": "Test %N on {{matrix}}",
        "key": "test",
        "if": 'build.branch == "main"',
        "depends_on": ["build"],
        "allow_dependency_failure": True,
        "agents": {"queue": "h100", "zone": "b"},
        "env": {"MODE": "x"},
        "commands": [
            'buildkite-agent artifact download "dist/*.whl" . --step build',
            "python3 -m pip install --no-deps --force-reinstall dist/*.whl",
            "python3 -m tools.place_binaries dist/*.whl",
            'buildkite-agent artifact download "log.txt" . --step build',
            "cd tests",
            "pytest --shard-id=$$BUILDKITE_PARALLEL_JOB -k 'a b'",
        ],
        "matrix": ["3.10", "3.12"],
        "parallelism": 3,
        "concurrency": 1,
        "concurrency_group": "gpu",
        "timeout_in_minutes": 9,
        "soft_fail": True,
        "retry": {"automatic": [{"exit_status": 3, "limit": 2}], "manual": {"allowed": False}},
    }


def test_what_a_step_does_not_say_is_left_out(checkout: Checkout) -> None:
    """Except for one more attempt where the agent was lost."""
    assert emitted(checkout)[0] == {
        "label": "Build",
        "key": "build",
        "agents": {"queue": "cpu-medium"},
        "commands": ["make"],
        "retry": {"automatic": [{"exit_status": -1, "limit": 1}]},
        "artifact_paths": ["dist/*.whl", "log.txt"],
    }


def test_commands_survive_the_way_through_yaml(checkout: Checkout) -> None:
    """Folded and literal commands keep every character, without anchors."""
    text = "steps:\n- label: A\n  commands:\n  - >-\n    a\n    'b: c'\n  - |\n    x # y\n    z\n"
    steps = checkout.areas(text).steps
    written = as_yaml(steps * 2)
    assert "&id" not in written
    commands = yaml.safe_load(written)["steps"][0]["steps"][0]["commands"]
    assert commands == ["a 'b: c'", "x # y\nz\n"]
