"""What the front page, CI and the session file say of one another."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
NOXFILE = (ROOT / "noxfile.py").read_text()


def sessions() -> dict[str, ast.FunctionDef]:
    """The functions of noxfile.py that nox runs."""
    functions = [node for node in ast.parse(NOXFILE).body if isinstance(node, ast.FunctionDef)]
    decorated = [function for function in functions if function.decorator_list]
    return {function.name: function for function in decorated}


def test_ci_runs_the_two_commands_of_the_front_page(tmp_path: Path) -> None:
    """They are read from README.md, so that what is promised is what is tested."""
    script = (ROOT / ".ci" / "run").read_text()
    (tmp_path / ".ci").mkdir()
    (tmp_path / ".ci" / "run").write_text(script.replace('bash -c "$command"', ":"))
    (tmp_path / "README.md").write_text(README)
    done = subprocess.run(
        ["bash", str(tmp_path / ".ci" / "run")], capture_output=True, text=True, check=True
    )
    first, second, third = done.stdout.splitlines()
    assert "pip install uv" in first
    assert first.endswith("uvx nox -s build_deepgemm")
    assert second == "+ uvx nox -s tests"
    assert third == "+ uvx nox -s lint typing"


def test_ci_stops_where_the_front_page_has_no_commands(tmp_path: Path) -> None:
    """A renamed fence must not leave CI with nothing to do."""
    (tmp_path / ".ci").mkdir()
    (tmp_path / ".ci" / "run").write_text((ROOT / ".ci" / "run").read_text())
    (tmp_path / "README.md").write_text(README.replace("```sh", "```bash"))
    done = subprocess.run(["bash", str(tmp_path / ".ci" / "run")], capture_output=True, check=False)
    assert done.returncode != 0


def test_every_session_of_the_documents_is_there() -> None:
    """A renamed session is renamed in what people paste."""
    texts = [README, (ROOT / "CONTRIBUTING.md").read_text()]
    texts += [file.read_text() for file in (ROOT / "docs").glob("*.md")]
    named = {name for text in texts for name in re.findall(r"nox (?:--no-venv )?-s (\w+)", text)}
    assert {"build_deepgemm", "tests", "lint", "typing"} <= named
    assert named <= sessions().keys()


def test_every_file_that_the_documents_link_is_there() -> None:
    """Relative links lead somewhere."""
    for file in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", file.read_text()):
            assert (file.parent / link).exists(), f"{file.name}: {link}"


def test_every_session_has_a_docstring_and_a_tag() -> None:
    """`nox --list` says what each is for."""
    for name, function in sessions().items():
        assert ast.get_docstring(function), name
        assert "tags=" in ast.unparse(function.decorator_list[0]), name
    assert len(NOXFILE.splitlines()) < 200


def test_the_build_requirements_agree_wherever_they_are_named() -> None:
    """The test environment builds with what an isolated build would use."""
    text = (ROOT / "pyproject.toml").read_text()
    for name in ("setuptools", "cmake", "ninja"):
        assert len(set(re.findall(rf'"({name}[=><][^"]*)"', text))) == 1, name
