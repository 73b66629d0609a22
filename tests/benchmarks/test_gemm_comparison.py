"""What the GEMM benchmark makes of its times, without a GPU."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from benchmarks.gemm_comparison import record, timing
from benchmarks.gemm_comparison.methods import LAUNCHES, Method
from benchmarks.gemm_comparison.problems import PROBLEMS, Problem, masked_rows
from benchmarks.gemm_comparison.record import Row
from benchmarks.gemm_comparison.work import work_of

ROOT = Path(__file__).resolve().parents[2]
DECODE = Problem(family="dense", m=64, n=7168, k=2048)
PREFILL = Problem(family="dense", m=4096, n=7168, k=2048)


def row(problem: Problem, **microseconds: float) -> Row:
    return Row(problem=problem, microseconds=microseconds)


def test_published_shapes_are_measured() -> None:
    """Thirty dense ones, four and six with groups, twenty in BF16; none twice."""
    assert {family: len(set(PROBLEMS[family])) for family in PROBLEMS} == {
        "dense": 30,
        "grouped": 4,
        "masked": 6,
        "bf16": 20,
    }


def test_masked_rows_are_one_draw_near_the_expected() -> None:
    """All methods, and whoever counts operations, see the same rows."""
    for problem in PROBLEMS["masked"]:
        rows = masked_rows(problem)
        assert rows == masked_rows(problem)
        assert len(rows) == problem.groups
        assert all(abs(count - problem.m) <= 0.3 * problem.m + 0.5 for count in rows)


def test_work_counts_each_byte_and_operation_once() -> None:
    """Operands of one byte or two, output of two, weights of every group."""
    assert work_of(DECODE).operations == 2 * 64 * 7168 * 2048
    assert work_of(DECODE).bytes == 64 * 2048 + 7168 * 2048 + 2 * 64 * 7168
    grouped = Problem(family="grouped", groups=4, m=64, n=7168, k=2048)
    assert work_of(grouped).operations == 4 * work_of(DECODE).operations
    assert work_of(grouped).bytes == 4 * work_of(DECODE).bytes
    bf16 = Problem(family="bf16", m=64, n=7168, k=2048)
    assert work_of(bf16).bytes == 2 * (64 * 2048 + 7168 * 2048 + 64 * 7168)


def test_the_floor_is_the_slower_of_both() -> None:
    """Few rows are bound by the weights' bytes, many by operations."""
    assert work_of(DECODE).bound_by == "bytes"
    assert work_of(DECODE).floor == pytest.approx(3.66, abs=0.01)
    assert work_of(PREFILL).bound_by == "operations"
    assert work_of(PREFILL).floor == pytest.approx(81.8, abs=0.1)


def test_the_best_peer_counts_and_what_others_are_set_to_is_apart() -> None:
    """A peer with PDL is held against ours, which has it; ours without against peers without."""
    times = {"ours": 8.0, "deep_gemm": 10.0, "torch": 12.0}
    assert row(DECODE, **times).ratio == pytest.approx(10 / 8)
    assert math.isnan(row(DECODE, **times).ratio_pdl)
    times["deep_gemm_pdl"] = 9.0
    assert row(DECODE, **times).ratio == pytest.approx(10 / 8)
    assert row(DECODE, **times).ratio_pdl == pytest.approx(9 / 8)
    assert math.isnan(row(DECODE, **times).ratio_plain)
    assert row(DECODE, **times, ours_plain=5.0).ratio_plain == pytest.approx(10 / 5)
    assert math.isnan(row(DECODE, **times).ratio_early)
    early = row(DECODE, **times, ours_early=4.0)
    assert early.ratio_early == pytest.approx(9 / 4)
    assert early.ratio_own_early == pytest.approx(10 / 4)


class Settings:
    """A library that keeps what it is set to."""

    def __init__(self) -> None:
        self.pdl = True
        self.early = False

    def get_pdl(self) -> bool:
        return self.pdl

    def set_pdl(self, value: bool) -> None:
        self.pdl = value

    def get_early_weights(self) -> bool:
        return self.early

    def set_early_weights(self, value: bool) -> None:
        self.early = value


@pytest.mark.parametrize(
    ("launch", "inside"),
    [("usual", (True, False)), ("plain", (False, False)), ("early", (True, True))],
)
def test_a_library_is_left_as_it_was(launch: str, inside: tuple[bool, bool]) -> None:
    """Each method has its settings for itself, also where it fails."""
    library = Settings()
    method = Method(name="ours", library=library, settings=LAUNCHES[launch])
    with suppress(RuntimeError), method.set():
        assert (library.pdl, library.early) == inside
        raise RuntimeError
    assert (library.pdl, library.early) == (True, False)


@pytest.mark.parametrize("problem", [DECODE, PREFILL], ids=["decode", "prefill"])
def test_a_graph_is_long_beside_its_launch(problem: Problem) -> None:
    """It walks through all sets, as often as it takes: else a large problem's few calls, or a small
    one's short ones, would pay for the replay.
    """
    work = work_of(problem)
    sets = timing.input_sets(work.bytes)
    calls = timing.calls_of_a_graph(sets, work.floor)
    assert calls % sets == 0
    assert calls * work.floor >= timing.GRAPH_MICROSECONDS > (calls - sets) * work.floor


def test_means_are_of_families_and_of_decode() -> None:
    """Geometric; the lowest stands beside them."""
    rows = [
        row(DECODE, ours=1.0, torch=2.0),
        row(PREFILL, ours=1.0, torch=0.5),
        row(Problem(family="masked", groups=2, m=64, n=128, k=128), ours=1.0, torch=3.0),
    ]
    summary = record.summary(rows)
    assert summary["dense"] == pytest.approx({"geometric_mean": 1.0, "lowest": 0.5})
    assert summary["dense, m <= 128"]["geometric_mean"] == pytest.approx(2.0)
    assert summary["dense, m > 128"]["geometric_mean"] == pytest.approx(0.5)
    assert summary["masked"]["geometric_mean"] == pytest.approx(3.0)
    assert set(summary) == {"dense", "dense, m <= 128", "dense, m > 128", "masked"}


def test_a_problem_that_nobody_else_computes_has_no_ratio() -> None:
    """Nor has a mean over it; the record leaves such figures out."""
    alone = row(DECODE, ours=1.0)
    assert "best_peer_over_ours" not in alone.to_json()
    assert record.summary([alone])["dense"] == {}


def test_a_record_is_read_back(tmp_path: Path) -> None:
    """Rows come back equal, and the JSON is one that any reader takes."""
    rows = [row(DECODE, ours=8.0, deep_gemm=10.0), row(PREFILL, ours=90.0)]
    path = tmp_path / "record.json"
    path.write_text(json.dumps({"rows": [each.to_json() for each in rows]}, allow_nan=False))
    assert record.read(path) == rows


def test_what_is_no_record_is_refused_without_torch(tmp_path: Path) -> None:
    """Plots are drawn where torch and the extension are not; a wrong file is told by its name."""
    path = tmp_path / "other.json"
    path.write_text('{"rows": [{"m": 64}]}')
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "from benchmarks import gemm\n"
        f"sys.exit(gemm.main(['--plot', {str(path)!r}]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert f"error: {path}: expected a record of benchmarks/gemm.py" in done.stderr
