"""The linter: one finding for each way in which step files rot, none for sound ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools.buildkite.conftest import Checkout
from tools.buildkite.areas import read_areas
from tools.buildkite.lint import lint
from tools.buildkite.tree import Tree

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def tree(checkout: Checkout) -> Checkout:
    """A checkout with some tests to run."""
    for path in ("tests/kernels/test_gemm.py", "tests/kernels/test_layout.py", "tests/test_env.py"):
        checkout.write(path)
    for path in ("vllm/envs.py", "vllm/layers/rotary.py", "csrc/gemm.cu", "tools/check.py"):
        checkout.write(path)
    return checkout


def step(*members: str) -> str:
    return "\n".join(["steps:", "- label: A", "  key: a", *(f"  {line}" for line in members), ""])


def rules(findings: list[str]) -> list[str]:
    return [finding.partition(":")[0] for finding in findings]


def test_a_sound_step_has_no_finding(tree: Checkout) -> None:
    """Prefixes, exclusions, a script and a folder of tests, all there and all covered."""
    text = step(
        "device: h100",
        "parallelism: 2",
        "source_file_dependencies: [csrc/, vllm/, '!vllm/layers/', tests/kernels]",
        "commands:",
        "- export MODE=fast",
        "- python3 tools/check.py --json",
        "- MODE=x pytest -v -s -k 'a and b' tests/kernels --shard-id=$$BUILDKITE_PARALLEL_JOB",
    )
    assert tree.lint(text) == []


def test_a_dead_dependency_names_the_nearest_path(tree: Checkout) -> None:
    """vLLM's tests/test_regression was left behind when matching stopped being by substring."""
    text = step("commands: [make]", "source_file_dependencies:", "- tests/test_en")
    assert tree.lint(text) == [
        "6 dead-path: step 'a': 'tests/test_en' is not in the checkout;"
        " did you mean 'tests/test_env.py'?"
    ]


@pytest.mark.parametrize("path", ["vllm/*.py", "./vllm", "/vllm"])
def test_a_dependency_that_can_match_nothing_is_refused(tree: Checkout, path: str) -> None:
    """Globs and rooted paths never equal what git prints."""
    text = step("commands: [make]", f"source_file_dependencies: ['{path}']")
    assert rules(tree.lint(text)) == ["5 dead-path"]


def test_an_exclusion_of_what_is_not_included_is_refused(tree: Checkout) -> None:
    """It was meant for another path, or its include went away."""
    text = step("commands: [make]", "source_file_dependencies: [vllm/, '!csrc/']")
    assert rules(tree.lint(text)) == ["5 dead-exclusion"]


@pytest.mark.parametrize(
    "command",
    [
        "pytest tests/gone",
        "python3 tools/gone.py",
        "bash tools/gone.sh x",
        "cd tests && pytest gone/test_x.py",
        "bash tools/check.py 'pytest -v tests/gone/test_x.py'",
        "tools/gone.sh x",
    ],
)
def test_a_command_that_names_what_is_not_there_is_refused(tree: Checkout, command: str) -> None:
    """Also after cd, and inside a command line handed to a script."""
    assert "5 dead-path" in rules(tree.lint(step("commands:", f'- "{command}"')))


def test_the_working_folder_must_exist_inside_the_workspace(tree: Checkout) -> None:
    """Both a folder that is gone and one outside are refused."""
    for folder in ("/vllm-workspace/gone", "/elsewhere"):
        assert "2 dead-path" in rules(tree.lint(step("commands: [x]", f"working_dir: {folder}")))


def test_tests_are_looked_up_from_the_working_folder(tree: Checkout) -> None:
    """As vLLM writes them: relative to its tests folder."""
    text = step(
        "working_dir: /vllm-workspace/tests",
        "source_file_dependencies: [tests/kernels]",
        "commands: [pytest kernels/test_gemm.py::test_a, python3 ../tools/check.py]",
    )
    assert tree.lint(text) == []


def test_a_step_of_several_nodes_starts_its_script_in_the_root(tree: Checkout) -> None:
    """And hands it command lines for the working folder, as vLLM's does."""
    text = step(
        "num_nodes: 2",
        "num_devices: 1",
        "working_dir: /vllm-workspace/tests",
        "commands: ['./tools/check.py x \"pytest kernels/test_gemm.py\"']",
    )
    assert tree.lint(text) == []


def test_a_test_that_would_not_select_its_step_is_named(tree: Checkout) -> None:
    """The step runs both files, only one of them selects it."""
    text = step(
        "source_file_dependencies: [csrc/, tests/kernels/test_gemm.py]",
        "commands:",
        "- pytest tests/kernels",
    )
    assert tree.lint(text) == [
        "6 uncovered-test: step 'a': a change of tests/kernels/test_layout.py would not run this"
        " step; add 'tests/kernels' to source_file_dependencies"
    ]


def test_an_excluded_test_is_not_covered(tree: Checkout) -> None:
    """An exclusion takes a test out of what selects the step."""
    text = step(
        "source_file_dependencies: [tests/, '!tests/kernels/']", "commands: [pytest tests/kernels]"
    )
    assert rules(tree.lint(text)) == ["5 uncovered-test"]


@pytest.mark.parametrize(
    "members",
    [
        ["source_file_dependencies: [csrc/]", "optional: true", "commands: [pytest tests]"],
        ["commands: [pytest tests]"],
        [
            "source_file_dependencies: [tests/test_env.py]",
            "commands: [pytest tests --ignore tests/kernels]",
        ],
        [
            "source_file_dependencies: [tests/test_env.py]",
            "commands: [pytest tests --ignore=tests/kernels]",
        ],
        [
            "source_file_dependencies: [tests/kernels/]",
            "commands: [pytest tests/kernels/test_*.py]",
        ],
        [
            "source_file_dependencies: [tests/kernels/]",
            "commands: [pytest tests/kernels --models small]",
        ],
    ],
)
def test_tests_that_nothing_could_select_or_that_do_not_run_are_no_finding(
    tree: Checkout, members: list[str]
) -> None:
    """Optional steps, steps without dependencies, ignored folders, patterns, plugin options."""
    assert tree.lint(step(*members)) == []


def test_undefined_steps_devices_and_cycles_are_refused(tree: Checkout) -> None:
    """Each with the nearest name that exists."""
    text = """\
        steps:
        - {label: A, key: a, commands: [x], depends_on: [bb], device: h10}
        - {label: B, key: b, commands: [x], depends_on: [c]}
        - {label: C, key: c, commands: [x], depends_on: [b]}
        """
    assert tree.lint(text) == [
        "2 undefined-step: step 'a': depends_on 'bb' is not known; did you mean 'b'?",
        "2 unknown-device: step 'a': device 'h10' is not known; did you mean 'h100'?",
        "3 cycle: step 'b': depends_on leads back to the step itself",
        "4 cycle: step 'c': depends_on leads back to the step itself",
    ]


def test_keys_are_unique_in_all_files_and_labels_in_one(checkout: Checkout) -> None:
    """A derived key clashes with a written one too."""
    checkout.areas("steps:\n- {label: Build it, commands: [x]}\n")
    areas = checkout.areas(
        "steps:\n- {label: Other, key: build-it, commands: [x]}\n"
        "- {label: Twice, key: c, commands: [x]}\n- {label: Twice, key: d, commands: [x]}\n",
        ".buildkite/test_areas/second.yaml",
    )
    found = [(f.rule, f.position.line) for f in lint(areas, Tree.of(checkout.root))]
    assert found == [("duplicate-key", 2), ("duplicate-label", 4)]


def test_shards_that_would_all_run_the_same_are_refused(tree: Checkout) -> None:
    """Unless a command, a script or the environment reads the shard's number."""
    tests = "source_file_dependencies: [tests/]"
    assert rules(tree.lint(step("parallelism: 3", tests, "commands: [pytest tests]"))) == [
        "2 no-shard"
    ]
    tree.write("tools/split.sh", 'echo "$BUILDKITE_PARALLEL_JOB"')
    for commands in (
        "[pytest tests -n $$BUILDKITE_PARALLEL_JOB]",
        "[bash tools/split.sh]",
        "[':']",
    ):
        assert tree.lint(step("parallelism: 3", tests, f"commands: {commands}")) == []


@pytest.mark.parametrize("members", [["concurrency: 1"], ["concurrency_group: gpu"]])
def test_half_a_concurrency_limit_is_refused(tree: Checkout, members: list[str]) -> None:
    """Buildkite wants the group with the number."""
    assert rules(tree.lint(step("commands: [x]", *members))) == ["2 incomplete"]


def test_dollars_that_the_upload_replaces_are_refused(tree: Checkout) -> None:
    """In commands, at their line, and in the environment."""
    text = step("env: {B: $C}", "commands:", "- make", "- echo '$D'")
    assert rules(tree.lint(text)) == ["2 interpolation", "7 interpolation"]


def test_a_quote_that_is_not_closed_is_refused(tree: Checkout) -> None:
    """The shell would say so only on the agent."""
    text = step("commands:", '- "pytest -k \'a tests"')
    assert rules(tree.lint(text)) == ["5 quotes"]


def test_an_apostrophe_in_a_comment_is_no_quote(tree: Checkout) -> None:
    """Comments inside literal commands are skipped."""
    assert tree.lint(step("commands:", "- |", "  # it's a comment", "  make")) == []


def test_our_own_step_files_have_no_finding() -> None:
    """What this repository's agents run exists and is selected by its own tests."""
    areas = read_areas(REPOSITORY)
    assert areas.steps
    assert [str(finding) for finding in lint(areas, Tree.of(REPOSITORY))] == []
