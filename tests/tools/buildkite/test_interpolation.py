"""Buildkite's dollars: what the upload makes of them, and which of them are refused."""

from __future__ import annotations

import pytest

from tools.buildkite.interpolation import interpolated, problems

ENVIRONMENT = {"BUILDKITE_COMMIT": "abc", "EMPTY": ""}


@pytest.mark.parametrize(
    ("command", "shell"),
    [
        ("echo $$HOME", "echo $HOME"),
        ("echo $${A:-b}", "echo ${A:-b}"),
        (r"echo \$HOME", "echo $HOME"),
        ("echo '$$1'", "echo '$1'"),
        ("echo $(date) $$(date)", "echo $(date) $(date)"),
        ("echo $BUILDKITE_COMMIT-x", "echo abc-x"),
        ("echo '$BUILDKITE_COMMIT'", "echo 'abc'"),
        ("echo ${BUILDKITE_COMMIT}", "echo abc"),
        ("echo $GONE.", "echo ."),
        ("echo ${GONE:-x} ${EMPTY:-y} ${EMPTY-z} ${GONE-w}", "echo x y  w"),
        ("echo $$$$", "echo $$"),
        (r"echo \\$BUILDKITE_COMMIT", r"echo \\abc"),
        ("cost: 5$", "cost: 5$"),
    ],
)
def test_a_command_reaches_the_shell_as_on_an_agent(command: str, shell: str) -> None:
    """The rules are those of Buildkite's interpolate library."""
    assert interpolated(command, ENVIRONMENT) == shell


@pytest.mark.parametrize(
    "command",
    [
        "echo $$HOME",
        "$(date)",
        "x $BUILDKITE_COMMIT",
        "x.sh $REGISTRY ${IMAGE_TAG}",
        "awk '{print $$1}'",
    ],
)
def test_escaped_and_build_wide_names_are_fine(command: str) -> None:
    """They mean the same when replaced at upload as when read on the agent."""
    assert list(problems(command)) == []


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("echo $HOME", ["'$HOME'", "write '$$HOME'"]),
        ("echo ${A:-b}", ["write '$${A:-b}'"]),
        ("pytest --shard-id=$BUILDKITE_PARALLEL_JOB", ["write '$$BUILDKITE_PARALLEL_JOB'"]),
        ("awk '{print $1}'", ["refuses", "write '$$1'"]),
        ("exit $?", ["refuses", "write '$$?'"]),
        ("echo '$HOME'", ["single quotes do not protect it"]),
        (r'echo "\$HOME"', ["drops the backslash"]),
    ],
)
def test_a_dollar_that_changes_meaning_is_named_with_its_cure(
    command: str, words: list[str]
) -> None:
    """One problem each, with what to write instead."""
    (problem,) = problems(command)
    assert all(word in problem for word in words)


def test_double_quotes_are_not_taken_for_single_ones() -> None:
    """An apostrophe inside double quotes opens nothing."""
    (problem,) = problems('echo "it\'s" $HOME')
    assert "single quotes" not in problem
