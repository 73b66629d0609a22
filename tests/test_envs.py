"""Environment variables: typed, read late, listed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from vllm import envs

ROOT = Path(__file__).resolve().parents[1]


def test_a_variable_is_read_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is set after the import counts."""
    monkeypatch.setenv("VLLM_DISABLE_COMPILE_CACHE", "yes")
    assert envs.VLLM_DISABLE_COMPILE_CACHE is True
    monkeypatch.setenv("VLLM_DISABLE_COMPILE_CACHE", "0")
    assert envs.VLLM_DISABLE_COMPILE_CACHE is False


def test_every_variable_has_a_default_of_its_type(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty environment is a valid one."""
    for name in envs.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert Path("/somewhere/vllm") == envs.VLLM_CACHE_ROOT
    assert (envs.VLLM_USE_DEEP_GEMM, envs.VLLM_DEEP_GEMM_WARMUP) == (True, "relax")
    assert (envs.VLLM_CUSTOM_OPS, envs.VLLM_USE_MEGA_AOT_ARTIFACT) == (("all",), False)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VLLM_USE_DEEP_GEMM", "maybe"),
        ("VLLM_DEEP_GEMM_WARMUP", "fully"),
        ("VLLM_CUSTOM_OPS", "all,rotary"),
    ],
)
def test_a_value_that_means_nothing_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """The message has the variable, its value and what was expected."""
    monkeypatch.setenv(name, value)
    with pytest.raises(envs.BadVariableError, match=rf"{name}: expected .*, got '{value}'"):
        getattr(envs, name)


def test_an_unknown_variable_is_no_attribute() -> None:
    """A misspelt name fails where it is written."""
    with pytest.raises(AttributeError, match="VLLM_NO_SUCH"):
        _ = envs.VLLM_NO_SUCH


def test_the_list_shows_every_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bad value is shown in its place, and the others are still listed."""
    monkeypatch.setenv("VLLM_DEEP_GEMM_WARMUP", "fully")
    assert envs.main(["--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows.keys() == envs.VARIABLES.keys()
    assert rows["VLLM_DEEP_GEMM_WARMUP"]["value"].startswith("error: VLLM_DEEP_GEMM_WARMUP")
    assert rows["VLLM_DEEP_GEMM_WARMUP"]["default"] == "relax"


def test_what_is_shown_can_be_set(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A value stands there as its variable takes it."""
    monkeypatch.setenv("VLLM_CUSTOM_OPS", "all,-apply_rotary_emb")
    assert envs.main(["--json"]) == 0
    for row in json.loads(capsys.readouterr().out):
        before = getattr(envs, row["name"])
        monkeypatch.setenv(row["name"], row["value"])
        assert getattr(envs, row["name"]) == before


def test_a_reader_that_stops_early_is_no_error() -> None:
    """The list ends where the reader does, without a traceback."""
    command = [sys.executable, "-u", "-m", "vllm.envs"]
    shown = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert shown.stdout is not None
    shown.stdout.close()
    _, said = shown.communicate()
    assert said == b""


def test_types_for_checkers_and_variables_are_the_same() -> None:
    """A variable that mypy doesn't know, or knows in vain, is found here."""
    assert {name for name in envs.__annotations__ if name.startswith("VLLM_")} <= set(
        envs.VARIABLES
    )
    declared = (ROOT / "vllm" / "envs.py").read_text().partition("if TYPE_CHECKING:")[2]
    block = declared.partition("\n\n")[0]
    assert {line.split(":")[0].strip() for line in block.splitlines() if line} == set(
        envs.VARIABLES
    )


def test_importing_the_package_imports_no_torch() -> None:
    """`import vllm` and its variables cost nothing."""
    code = "import sys, vllm, vllm.envs, vllm.platforms; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
