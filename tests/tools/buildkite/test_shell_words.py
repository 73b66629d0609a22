"""Reading commands: the tests and scripts that they call, as paths of the repository."""

from __future__ import annotations

import pytest

from tests.tools.buildkite.conftest import Checkout
from tools.buildkite.shell_words import invocations
from tools.buildkite.tree import Tree, covers

TESTS = [
    ("pytest -v -s tests/a.py", ["tests/a.py"]),
    ("A=1 B='x y' pytest a b/c.py::test_d[x-y]", ["a", "b/c.py"]),
    ("python3 -m pytest tests", ["tests"]),
    ("uv run --with x pytest tests", ["tests"]),
    ("pytest -k 'a or b' -m slow --tb short tests", ["tests"]),
    ("pytest --timeout=3 tests", ["tests"]),
    ("pytest tests --models hermes", ["tests"]),
    ("pytest a.py && pytest b.py; pytest c.py", ["a.py", "b.py", "c.py"]),
    ("pytest a.py\npytest b.py", ["a.py", "b.py"]),
    ("pytest a.py \\\n  b.py", ["a.py", "b.py"]),
    ("cd tests && pytest a.py\npytest ../b.py", ["tests/a.py", "b.py"]),
    ('case "$$X" in\n 0) pytest a.py ;;\n *) exit 1 ;;\nesac', ["a.py"]),
    ('bash run.sh 30m "\npytest -x tests/a\npytest tests/b"', ["tests/a", "tests/b"]),
    ("pytest a.py | tee log.txt", ["a.py"]),
    ("pytest a.py > log.txt", ["a.py"]),
    ("torchrun --nproc-per-node=4 a.py", []),
    ("pip install pytest-timeout", []),
    ("pytest", []),
]


@pytest.mark.parametrize(("command", "tests"), TESTS)
def test_the_tests_of_a_command_are_found(command: str, tests: list[str]) -> None:
    """In assignments, wrappers, chains, folded lines, cases and quoted command lines."""
    found = [path for call in invocations([command], ".") for path in call.tests]
    assert found == tests


@pytest.mark.parametrize(
    ("command", "scripts"),
    [
        ("python3 tools/a.py --x", ["tools/a.py"]),
        ("bash -x run.sh", ["run.sh"]),
        ("./run.sh", ["run.sh"]),
        ("bash /vllm-workspace/tools/run.sh", ["tools/run.sh"]),
        ("VAR=1 torchrun --nproc=2 a.py", ["a.py"]),
        ("python3 -c 'print(1)'", []),
        ("python3 -m build", []),
        ("make all", []),
    ],
)
def test_the_scripts_of_a_command_are_found(command: str, scripts: list[str]) -> None:
    """Given to an interpreter, or called by their path."""
    assert [path for call in invocations([command], ".") for path in call.scripts] == scripts


def test_the_folder_holds_from_one_command_to_the_next() -> None:
    """A step's commands share one shell."""
    (call,) = invocations(["cd sub", "pytest a.py --ignore b.py --ignore=c"], "tests")
    assert (call.tests, call.ignored) == (("tests/sub/a.py",), ("tests/sub/b.py", "tests/sub/c"))


@pytest.mark.parametrize(
    ("dependency", "file", "covered"),
    [
        ("vllm/", "vllm/a.py", True),
        ("vllm", "vllm/a/b.py", True),
        ("vllm/a.py", "vllm/a.py", True),
        ("vllm/a", "vllm/a.py", False),
        ("vll", "vllm/a.py", False),
        ("a.py", "vllm/a.py", False),
        ("/", "vllm/a.py", False),
        ("vllm/*", "vllm/a.py", False),
    ],
)
def test_a_dependency_is_a_path_or_a_folder_above(
    dependency: str, file: str, covered: bool
) -> None:
    """Never a part of a name, never a glob."""
    assert covers(dependency, file) is covered


def test_the_tree_is_what_git_would_commit(checkout: Checkout) -> None:
    """Tracked and new files are in it; ignored and deleted ones are not."""
    for path in ("a/tracked.py", "gone.py", ".gitignore"):
        checkout.write(path, "ignored.py\n" if path == ".gitignore" else "")
    checkout.commit("one")
    for path in ("a/new.py", "ignored.py"):
        checkout.write(path)
    (checkout.root / "gone.py").unlink()
    tree = Tree.of(checkout.root)
    assert tree.files == {"a/tracked.py", "a/new.py", ".gitignore"}
    assert tree.folders == {".", "a"}


def test_a_folder_without_git_is_walked(checkout: Checkout) -> None:
    """An unpacked archive can be linted too."""
    checkout.write("a/b.py")
    assert Tree.of(checkout.root).files == {"a/b.py"}
