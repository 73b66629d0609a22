"""An executable that is no interpreter becomes a finding, never a crash or a hang."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.tools.interpreters.fakes import FakePython, script
from tools.interpreters.facts import ProbeError, ask


def test_a_real_interpreter_answers() -> None:
    """The facts are those of the interpreter that was asked."""
    assert ask(Path(sys.executable)).series == f"{sys.version_info[0]}.{sys.version_info[1]}"


@pytest.mark.parametrize(
    ("body", "finding"),
    [
        ("echo 'pyenv: python3.12: command not found' >&2; exit 127", "pyenv: python3.12: command"),
        ("echo Traceback >&2; echo 'SyntaxError: bad' >&2; exit 1", "exit 1, SyntaxError: bad"),
        ("exit 3", "exit 3, nothing on stderr"),
        ("echo hello", "something else: 'hello'"),
        ("echo '{}'", "something else"),
        ("exec sleep 20", "did not answer in 0.2 s"),
    ],
)
def test_what_does_not_answer_is_a_finding(tmp_path: Path, body: str, finding: str) -> None:
    """Broken shims, other programs, hanging ones: the reason is one line."""
    with pytest.raises(ProbeError, match=finding):
        ask(script(tmp_path / "python", body), limit_s=0.2 if "sleep" in body else 10)


def test_a_file_that_cannot_be_executed_is_a_finding(tmp_path: Path) -> None:
    """A wrong format, or no file at all."""
    (tmp_path / "python").write_bytes(b"\x7fELF")
    (tmp_path / "python").chmod(0o755)
    for name in ("python", "absent"):
        with pytest.raises(ProbeError, match="cannot run"):
            ask(tmp_path / name)


@pytest.mark.parametrize("change", [{"version": "soon"}, {"python_h": "yes"}, {"executable": True}])
def test_facts_of_the_wrong_type_are_refused(
    fake_python: FakePython, change: dict[str, str | bool]
) -> None:
    """What later code relies on is checked where it comes in."""
    with pytest.raises(ProbeError):
        fake_python("python", **{"version": "3.12.1", **change})


def test_an_interpreter_without_headers_has_no_folders(fake_python: FakePython) -> None:
    """An empty string of JSON isn't the current folder."""
    known = fake_python("python", include="", platinclude="", python_h=False, pyconfig_h=False)
    assert known.include is None
    assert known.to_json()["include"] == ""
