"""Who may import what: the Python half of the rule that keeps the rooms of the tree apart."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TOOLS = ROOT / "tools"
# What tools/ may use beside the standard library; tomli is the standard library's of CPython 3.11.
TOOLS_MAY = {"packaging", "rich", "tomli", "tools", "yaml"}
SHARED = {"tools.console", "tools.errors", "tools.requires_python"}
# Packed under two names, so that its modules name one another relatively.
FACE = ROOT / "vllm" / "third_party" / "deep_gemm"
# Generators may ask a package of the test group, inside the function that writes the file.
GENERATORS = {TOOLS / "wheel" / "limited_api.py": {"abi3info"}}


def imports(file: Path, *, everywhere: bool = True) -> Iterator[str]:
    """Yield the module behind every import statement of a file, or those that importing it runs."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(tree) if everywhere else tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = absolute(node, file) if node.level else node.module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def absolute(node: ast.ImportFrom, file: Path) -> str:
    """Return the module that a relative import means; only the face has any, and none leads out."""
    folder = file.parents[node.level - 1]
    assert folder == FACE or FACE in folder.parents, f"{file}: a relative import hides its room"
    package = ".".join(folder.relative_to(ROOT).parts)
    return f"{package}.{node.module}" if node.module else package


def foreign(file: Path, allowed: set[str], *, everywhere: bool = True) -> set[str]:
    """Return the packages that a file imports beside the standard library and the allowed."""
    tops = {name.partition(".")[0] for name in imports(file, everywhere=everywhere)}
    return tops - allowed - set(sys.stdlib_module_names)


def python_files(*folders: str) -> list[Path]:
    return sorted(file for folder in folders for file in (ROOT / folder).rglob("*.py"))


def named(file: Path) -> str:
    return str(file.relative_to(ROOT))


def test_noxfile_knows_nox_alone() -> None:
    """Sessions start commands; they import nothing of the project."""
    assert foreign(ROOT / "noxfile.py", {"nox"}) == set()


def test_setup_knows_setuptools_and_tools() -> None:
    """A build environment has nothing else."""
    assert foreign(ROOT / "setup.py", {"setuptools", "tools"}) == set()


@pytest.mark.parametrize("file", python_files("tools"), ids=named)
def test_tools_know_no_room_above_them(file: Path) -> None:
    """No nox, no Invoke, no torch, no vllm."""
    assert foreign(file, TOOLS_MAY | GENERATORS.get(file, set())) == set()


@pytest.mark.parametrize("file", python_files("tasks"), ids=named)
def test_tasks_know_invoke_and_tools(file: Path) -> None:
    """Commands of the inner loop start no session and hold no tensor."""
    assert foreign(file, {"invoke", "tasks", "tools"}) == set()


@pytest.mark.parametrize("file", python_files("vllm"), ids=named)
def test_vllm_knows_no_tool(file: Path) -> None:
    """What is shipped cannot need what is not."""
    assert not foreign(file, {"vllm", "torch", "triton"}) & {"tools", "tasks", "nox", "setuptools"}


@pytest.mark.parametrize("file", python_files("vllm/third_party/deep_gemm"), ids=named)
def test_the_face_of_deep_gemm_knows_no_package_around_it(file: Path) -> None:
    """The same files are vllm.third_party.deep_gemm in one wheel and deep_gemm in the other."""
    statements = [
        node for node in ast.walk(ast.parse(file.read_text())) if imports_absolutely(node)
    ]
    assert not [ast.unparse(node) for node in statements if "vllm" in ast.unparse(node)]


def imports_absolutely(node: ast.AST) -> bool:
    return isinstance(node, ast.Import) or (isinstance(node, ast.ImportFrom) and not node.level)


@pytest.mark.parametrize(
    "file", [file for file in python_files("tools") if file.parent != TOOLS], ids=named
)
def test_packages_of_tools_do_not_import_one_another(file: Path) -> None:
    """A module of tools/ composes them; only errors and console are everybody's."""
    own = f"tools.{file.relative_to(TOOLS).parts[0]}"
    for name in imports(file):
        if name == "tools" or name.startswith("tools."):
            shared = any(name == each or name.startswith(f"{each}.") for each in SHARED)
            assert shared or name == own or name.startswith(f"{own}."), name


@pytest.mark.parametrize("file", python_files("tools", "vllm", "tasks"), ids=named)
def test_only_console_knows_rich(file: Path) -> None:
    """One module decides what output looks like."""
    if file != TOOLS / "console.py":
        assert not [name for name in imports(file) if name.partition(".")[0] == "rich"]


def test_setup_needs_only_what_its_build_environment_has() -> None:
    """Modules that setup.py reaches import neither rich nor yaml."""
    seen: set[Path] = set()
    waiting = [ROOT / "setup.py"]
    while waiting:
        file = waiting.pop()
        if file not in seen:
            seen.add(file)
            waiting += [found for name in imports(file, everywhere=False) for found in behind(name)]
    assert TOOLS / "toolchain" / "toolkit.py" in seen
    for file in seen:
        known = {"packaging", "setuptools", "tools"}
        assert foreign(file, known, everywhere=False) == set(), named(file)


def behind(name: str) -> Iterator[Path]:
    """Yield the files of this tree that importing a dotted name runs."""
    parts = name.split(".")
    for end in range(1, len(parts) + 1):
        path = ROOT.joinpath(*parts[:end])
        candidates = (path / "__init__.py", path.with_suffix(".py"))
        yield from (file for file in candidates if file.is_file())
