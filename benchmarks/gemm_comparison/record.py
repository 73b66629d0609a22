"""What was measured: rows, means over them, and the JSON record that holds both."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.gemm_comparison.problems import DECODE_ROWS, Problem
from benchmarks.gemm_comparison.work import Work, work_of
from benchmarks.record import write_record


@dataclass(frozen=True, kw_only=True)
class Row:
    """One problem's times, in microseconds a call."""

    problem: Problem
    microseconds: Mapping[str, float]

    @classmethod
    def from_json(cls, row: Mapping[str, object]) -> Row:
        """Read what `to_json` wrote; figures that follow from it are computed anew."""
        extents = {name: int(str(row[name])) for name in ("groups", "m", "n", "k")}
        times = row["microseconds"]
        if not isinstance(times, Mapping):
            raise ValueError(f"microseconds: expected times by method, got {times!r}")
        return cls(
            problem=Problem(family=str(row["family"]), **extents),
            microseconds={str(name): float(time) for name, time in times.items()},
        )

    def to_json(self) -> dict[str, object]:
        """Return extents, times and what follows from them."""
        figures = {
            "floor": self.work.floor,
            "tflops": self.tflops("ours"),
            "terabytes_per_second": self.terabytes_per_second("ours"),
            "share_of_the_roof": self.share_of_the_roof,
            "best_peer_over_ours": self.ratio,
            "best_peer_over_ours_pdl": self.ratio_pdl,
            "best_peer_over_ours_plain": self.ratio_plain,
            "best_peer_over_ours_early": self.ratio_early,
            "best_peer_over_ours_own_early": self.ratio_own_early,
        }
        return {
            **asdict(self.problem),
            "microseconds": dict(self.microseconds),
            "bound_by": self.work.bound_by,
            **known(figures),
        }

    @property
    def work(self) -> Work:
        return work_of(self.problem)

    def time(self, method: str) -> float:
        return self.microseconds.get(method, math.nan)

    def tflops(self, method: str) -> float:
        return self.work.operations / self.time(method) / 1e6

    def terabytes_per_second(self, method: str) -> float:
        return self.work.bytes / self.time(method) / 1e6

    @property
    def share_of_the_roof(self) -> float:
        return self.work.floor / self.time("ours")

    @property
    def best_peer(self) -> float:
        """Microseconds of the fastest peer with its own settings: without PDL."""
        return min((self.time(name) for name in self._peers(pdl=False)), default=math.nan)

    @property
    def ratio(self) -> float:
        """Best peer over ours, each with its own settings."""
        return self.best_peer / self.time("ours")

    @property
    def ratio_pdl(self) -> float:
        """Best peer, with PDL or without, over ours; none where no peer was measured with it."""
        measured = self._peers(pdl=True) != self._peers(pdl=False)
        return self._best_peer_with_pdl / self.time("ours") if measured else math.nan

    @property
    def ratio_plain(self) -> float:
        """Best peer over ours, both without PDL."""
        return self.best_peer / self.time("ours_plain")

    @property
    def ratio_early(self) -> float:
        """Best peer, with PDL or without, over ours with early weights."""
        return self._best_peer_with_pdl / self.time("ours_early")

    @property
    def ratio_own_early(self) -> float:
        """Best peer with its own settings over ours with early weights."""
        return self.best_peer / self.time("ours_early")

    @property
    def _best_peer_with_pdl(self) -> float:
        return min((self.time(name) for name in self._peers(pdl=True)), default=math.nan)

    def _peers(self, *, pdl: bool) -> list[str]:
        peers = [name for name in self.microseconds if not name.startswith("ours")]
        return [name for name in peers if pdl or not name.endswith("_pdl")]


def groups_of(rows: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    """Yield what means are taken over: each family, and where it has them its decode shapes."""
    for family in dict.fromkeys(row.problem.family for row in rows):
        members = [row for row in rows if row.problem.family == family]
        yield family, members
        decode = [row for row in members if row.problem.is_decode]
        prefill = [row for row in members if not row.problem.is_decode]
        if decode and prefill:
            yield f"{family}, m <= {DECODE_ROWS}", decode
            yield f"{family}, m > {DECODE_ROWS}", prefill


def mean(ratios: Sequence[float]) -> float:
    """Return the geometric mean, no number where any is none."""
    if not ratios or any(math.isnan(ratio) for ratio in ratios):
        return math.nan
    return statistics.geometric_mean(ratios)


def summary(rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    """Return mean and lowest ratio of each group of rows, the means with PDL too if measured."""
    figures = {}
    for title, members in groups_of(rows):
        ratios = [row.ratio for row in members]
        figures[title] = known(
            {
                "geometric_mean": mean(ratios),
                "lowest": min(ratios),
                "geometric_mean_pdl": mean([row.ratio_pdl for row in members]),
                "geometric_mean_plain": mean([row.ratio_plain for row in members]),
                "geometric_mean_early": mean([row.ratio_early for row in members]),
                "geometric_mean_own_early": mean([row.ratio_own_early for row in members]),
            }
        )
    return figures


def known(figures: Mapping[str, float]) -> dict[str, float]:
    """Leave out what was not measured: JSON has no word for it."""
    return {name: value for name, value in figures.items() if not math.isnan(value)}


def write(path: Path, command: str, rows: Sequence[Row]) -> None:
    """Write the rows and their means."""
    figures = {"best_peer_over_ours": summary(rows), "rows": [row.to_json() for row in rows]}
    write_record(path, command, figures)


def read(path: Path) -> list[Row]:
    """Read the rows of a record.

    Raises: ValueError where the file holds no such record.
    """
    try:
        return [Row.from_json(row) for row in json.loads(path.read_text())["rows"]]
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(
            f"{path}: expected a record of benchmarks/gemm.py, found none ({error!r}); "
            f"measure with --output {path}"
        ) from error
