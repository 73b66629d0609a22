"""The benchmark of the choice, with its measuring stood in for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import choice, gemm
from benchmarks.gemm_comparison.methods import LAUNCHES, Method
from benchmarks.gemm_comparison.problems import Problem
from vllm.third_party.deep_gemm import _C


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Problem, Method]]:
    """What would have been measured; every configuration takes 2 us, but one of the table's."""
    calls: list[tuple[Problem, Method]] = []

    def measure(problem: Problem, method: Method) -> dict[str, float]:
        calls.append((problem, method))
        times = {config["name"]: 2.0 for config in _C.configs()}
        return {**times, "fastest of all": 1.0}

    monkeypatch.setattr(choice, "require_hopper", lambda: None)
    monkeypatch.setattr(choice, "get_num_sms", lambda: 132)
    monkeypatch.setattr(choice, "measure", measure)
    return calls


def test_the_chosen_is_held_against_the_fastest(
    asked: list[tuple[Problem, Method]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """For the family, rows and launches that were asked for; the record says so."""
    record = tmp_path / "choice.json"
    given = ["--family", "bf16", "--rows", "64", "--launch", "early", "--output", str(record)]
    assert choice.main(given) == 0
    assert {(problem.family, problem.m) for problem, _ in asked} == {("bf16", 64)}
    assert [method.settings for _, method in asked] == [LAUNCHES["early"]] * len(asked)
    assert "geometric mean: 2.000" in capsys.readouterr().out
    written = json.loads(record.read_text())
    assert written["command"].startswith("python benchmarks/choice.py --family bf16 --rows 64")
    assert all(row["chosen"].startswith("bf16_nt_") for row in written["rows"])


def test_rows_that_no_problem_has_are_refused(
    asked: list[tuple[Problem, Method]], capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is measured."""
    with pytest.raises(SystemExit):
        choice.main(["--rows", "65"])
    assert "--rows: expected some of 64, 128, 1024, 4096, 8192, got [65]" in capsys.readouterr().err
    assert asked == []
    with pytest.raises(SystemExit):
        gemm.main(["--family", "masked", "--rows", "65"])
    assert "--rows: expected some of 256, 512, 1024, got [65]" in capsys.readouterr().err


def test_a_shape_that_is_named_stands_for_the_published_ones(
    asked: list[tuple[Problem, Method]], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Chosen as its launches are; groups have more extents than three."""
    record = tmp_path / "choice.json"
    given = ["--shape", "64", "2112", "7168", "--launch", "early", "--output", str(record)]
    assert choice.main(given) == 0
    assert [problem for problem, _ in asked] == [Problem(family="dense", m=64, n=2112, k=7168)]
    assert json.loads(record.read_text())["rows"][0]["chosen"] == "fp8_m64n64k3_bf16"
    for more, said in (
        (["--family", "all"], "--shape: expected --family dense or bf16, got all"),
        (["--family", "dense", "--rows", "64"], "--rows: expected none beside --shape, got [64]"),
        (["--family", "bf16", "--shape", "0", "8", "8"], "--shape: expected three numbers above 0"),
    ):
        with pytest.raises(SystemExit):
            gemm.main(["--shape", "64", "2112", "7168", *more])
        assert said in capsys.readouterr().err
