"""Our own step files name what their steps read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.buildkite.areas import read_areas
from tools.buildkite.selection import decide

ROOT = Path(__file__).resolve().parents[1]
STEPS = read_areas(ROOT).steps

BUILD = ("CMakeLists.txt", "CMakePresets.json", "VERSION", "cmake/cubins.S.in", "setup.py")
READ = ("README.md", "CONTRIBUTING.md", "docs/build.md", "tasks/ci.py", "benchmarks/gemm.py")
RELEASE = ("docker/Dockerfile", "docker-bake.hcl", ".dockerignore", ".github/workflows/release.yml")


def chosen(file: str) -> set[str]:
    """The keys of the steps that a change of this file runs."""
    return {decision.step.key for decision in decide(STEPS, [file]) if decision.chosen}


@pytest.mark.parametrize("file", [*BUILD, "LICENSE", "MANIFEST.in", "pyproject.toml"])
def test_what_a_wheel_is_made_of_builds_and_tests_it(file: str) -> None:
    """A version or a preset is a change of the wheel as a source is."""
    assert {"build-deepgemm", "tests"} <= chosen(file)


@pytest.mark.parametrize("file", [*READ, *RELEASE, ".ci/run"])
def test_what_tests_read_runs_them(file: str) -> None:
    """Documents and tasks have tests too."""
    assert "tests" in chosen(file)


@pytest.mark.parametrize("file", [".clang-format", ".ci/run", "cmake/compile_cubin.sh"])
def test_what_linters_read_runs_them(file: str) -> None:
    """Shell scripts and the linters' settings as well as sources."""
    assert "lint-and-types" in chosen(file)
