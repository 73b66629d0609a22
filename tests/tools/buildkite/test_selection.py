"""Selection: a table of changes and the steps that they need, and the words that explain it."""

from __future__ import annotations

import pytest

from tests.tools.buildkite.conftest import AREA, Checkout
from tools.buildkite.errors import DiffUnreadableError, UnknownStepError
from tools.buildkite.selection import changed_files, decide, decide_named, find
from tools.buildkite.step import Step

AREAS = """\
    steps:
    - {label: Build, key: build, commands: [x], source_file_dependencies: [CMakeLists.txt, csrc/]}
    - {label: Image, key: image, optional: true, commands: [x], depends_on: [base]}
    - {label: Base, key: base, commands: [x], source_file_dependencies: [docker/base]}
    - label: Kernels
      key: kernels
      depends_on: [build]
      commands: [x]
      source_file_dependencies: [csrc/gemm/, tests/kernels, "!tests/kernels/slow/"]
    - label: Everything but docs
      key: rest
      commands: [x]
      source_file_dependencies: ["!vllm/docs", vllm/, "!vllm/version.py", setup.py]
    - label: Deploy
      key: deploy
      depends_on: [image, kernels]
      commands: [x]
      source_file_dependencies: [deploy.sh]
    - label: Nightly
      key: nightly
      optional: true
      commands: [x]
      source_file_dependencies: [vllm/]
    - {label: Manual, key: manual, commands: [x]}
    """

# What changed -> what runs. Each step depends on its declaring file; optional ones stay out.
CASES: list[tuple[str, str]] = [
    ("", ""),
    ("README.md", ""),
    ("CMakeLists.txt", "build"),
    ("CMakeLists.txt.in", ""),
    ("sub/CMakeLists.txt", ""),
    ("csrc/a.cu", "build"),
    ("csrc/deep/er/a.cu", "build"),
    ("csrc", "build"),
    ("csrc2/a.cu", ""),
    ("csr", ""),
    ("old/csrc/a.cu", ""),
    ("csrc/gemm/a.cu", "build kernels"),
    ("csrc/gemm.cu", "build"),
    ("csrc/gemm2/a.cu", "build"),
    ("tests/kernels/test_a.py", "build kernels"),
    ("tests/kernels", "build kernels"),
    ("tests/kernels_old/test_a.py", ""),
    ("tests/kernels/slow/test_a.py", ""),
    ("tests/kernels/slow", ""),
    ("tests/kernels/slower/test_a.py", "build kernels"),
    ("tests/kernels/slow/a.py tests/kernels/b.py", "build kernels"),
    ("tests/kernels/slow/a.py README.md", ""),
    ("tests/kernels/slow/a.py setup.py", "rest"),
    ("vllm/a.py", "rest"),
    ("vllm/docs/a.md", ""),
    ("vllm/docs.py", "rest"),
    ("vllm/version.py", ""),
    ("vllm/version.py vllm/docs/a.md", ""),
    ("vllm/version.py vllm/a.py", "rest"),
    ("setup.py", "rest"),
    ("setup.pyc", ""),
    ("docker/base", "base"),
    ("docker/base/Dockerfile", "base"),
    ("docker/based", ""),
    ("deploy.sh", "build image base kernels deploy"),
    ("deploy.sh vllm/a.py", "build image base kernels rest deploy"),
    ("Deploy.sh", ""),
    ("CMakeLists.txt vllm/a.py", "build rest"),
    (AREA, "build image base kernels rest deploy manual"),
    (".buildkite/test_areas/other.yaml", ""),
]


@pytest.fixture
def steps(checkout: Checkout) -> tuple[Step, ...]:
    """Return the steps of the table."""
    areas = checkout.areas(AREAS)
    assert not areas.findings
    return areas.steps


@pytest.mark.parametrize(("changed", "chosen"), CASES)
def test_a_change_runs_exactly_what_depends_on_it(
    steps: tuple[Step, ...], changed: str, chosen: str
) -> None:
    """Exact path or folder prefix, exclusions by file, the closure over depends_on."""
    decisions = decide(steps, changed.split())
    assert " ".join(decision.step.key for decision in decisions if decision.chosen) == chosen


def test_all_runs_everything_but_optional_steps_that_nothing_needs(
    steps: tuple[Step, ...],
) -> None:
    """The image is optional, and still built because the deployment needs it."""
    chosen = [decision.step.key for decision in decide(steps, [], "all") if decision.chosen]
    assert chosen == ["build", "image", "base", "kernels", "rest", "deploy", "manual"]


def test_nightly_runs_every_step(steps: tuple[Step, ...]) -> None:
    """That is what optional steps are for."""
    assert all(decision.chosen for decision in decide(steps, [], "nightly"))


def test_vllms_image_builds_always_run(checkout: Checkout) -> None:
    """Whatever runs, runs in the image."""
    step = checkout.step("steps:\n- {label: A, key: image-build-cpu, commands: [x]}\n")
    assert decide([step], [])[0].chosen


@pytest.mark.parametrize(
    ("key", "changed", "because"),
    [
        ("build", "csrc/a.cu", f"matched csrc/a.cu by 'csrc/' ({AREA}:2)"),
        ("build", "tests/kernels/a.py", "kernels depends on it"),
        ("kernels", "README.md", "no changed file matches"),
        (
            "kernels",
            "tests/kernels/slow/a.py",
            f"excluded tests/kernels/slow/a.py by '!tests/kernels/slow/' ({AREA}:9)",
        ),
        (
            "nightly",
            "vllm/a.py",
            f"optional: runs nightly or by name, though matched vllm/a.py by 'vllm/' ({AREA}:23)",
        ),
        ("nightly", "README.md", "optional: runs nightly or by name"),
        (
            "rest",
            "vllm/version.py vllm/a.py",
            f"matched vllm/a.py by 'vllm/' ({AREA}:13)",
        ),
    ],
)
def test_the_explanation_names_file_rule_and_line(
    steps: tuple[Step, ...], key: str, changed: str, because: str
) -> None:
    """Of the file that decided, not of the first that matched."""
    decisions = {decision.step.key: decision for decision in decide(steps, changed.split())}
    assert decisions[key].because == because


def test_named_steps_bring_their_needs_only_when_asked(steps: tuple[Step, ...]) -> None:
    """At a desk the wheel is often there already."""
    for closure, expected in ((False, ["kernels"]), (True, ["build", "kernels"])):
        decisions = decide_named(steps, ["Kernels"], closure=closure)
        assert [decision.step.key for decision in decisions if decision.chosen] == expected


def test_a_step_is_found_by_key_or_label_and_a_misspelt_one_by_its_neighbours(
    steps: tuple[Step, ...],
) -> None:
    """The error offers the nearest names."""
    assert find(steps, "Everything but docs").key == find(steps, "rest").key
    with pytest.raises(UnknownStepError, match="near it: kernels"):
        find(steps, "kernel")


def test_both_names_of_a_renamed_file_count(checkout: Checkout) -> None:
    """A step that depended on the old place must see that it is gone."""
    checkout.write("old/a file.py", "x = 1\n" * 20)
    checkout.write("kept.py", "1")
    checkout.write("gone.py", "1")
    first = checkout.commit("one")
    checkout.git("mv", "old/a file.py", "new é.py")
    checkout.git("rm", "-q", "gone.py")
    checkout.write("added.py")
    checkout.commit("two")
    expected = ("added.py", "gone.py", "new é.py", "old/a file.py")
    assert tuple(sorted(changed_files(f"{first}..HEAD", checkout.root))) == expected


@pytest.mark.parametrize("diff", ["HEAD", "main..gone", "--output=x..y"])
def test_a_range_that_git_cannot_read_is_one_clear_error(checkout: Checkout, diff: str) -> None:
    """Never an empty change: that would run nothing and pass."""
    checkout.commit("one")
    with pytest.raises(DiffUnreadableError, match=r"expected (a range of )?commits"):
        changed_files(diff, checkout.root)
    assert not list(checkout.root.glob("x*"))
