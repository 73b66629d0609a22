"""Pictures of a record: a roofline, and the best peer's time over ours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.gemm_comparison.record import Row
from benchmarks.gemm_comparison.work import BYTES_PER_SECOND, OPERATIONS_PER_SECOND

MARKERS = {"dense": "o", "grouped": "s", "masked": "D", "bf16": "^"}
OURS, PEER = "tab:blue", "tab:orange"


def draw(rows: Sequence[Row], record: Path) -> list[Path]:
    """Draw both pictures beside the record and return their paths.

    Raises: ImportError where matplotlib is not installed.
    """
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = record.name  # the same record gives the same file
    from matplotlib import pyplot

    paths = []
    for name, paint, size in (("roofline", roofline, (8, 6)), ("ratio", ratios, (14, 4.5))):
        figure, axes = pyplot.subplots(figsize=size)
        paint(axes, rows)
        figure.tight_layout()
        paths.append(record.with_name(f"{record.stem}_{name}.svg"))
        figure.savefig(paths[-1], metadata={"Date": None})
        pyplot.close(figure)
    return paths


def roofline(axes: Any, rows: Sequence[Row]) -> None:
    """Operations a second over operations a byte, ours and the best peer's, under the roofs."""
    intensities = [row.work.operations / row.work.bytes for row in rows]
    ends = (min(intensities) / 2, max(intensities) * 2)
    for operand in dict.fromkeys(row.work.operand for row in rows):
        peak = OPERATIONS_PER_SECOND[operand]
        xs = sorted((*ends, peak / BYTES_PER_SECOND))
        roof = [min(x * BYTES_PER_SECOND, peak) / 1e12 for x in xs]
        axes.plot(xs, roof, color="grey", linewidth=1)
        axes.annotate(
            f"{operand}: {peak / 1e12:.0f} TFLOP/s", (xs[-1], roof[-1]), ha="right", va="bottom"
        )
    for family in dict.fromkeys(row.problem.family for row in rows):
        members = [row for row in rows if row.problem.family == family]
        xs = [row.work.operations / row.work.bytes for row in members]
        peers = [row.work.operations / row.best_peer / 1e6 for row in members]
        achieved = [row.tflops("ours") for row in members]
        marker = MARKERS.get(family, "x")
        axes.scatter(xs, peers, marker=marker, s=30, facecolors="none", edgecolors=PEER)
        axes.scatter(xs, achieved, marker=marker, s=22, color=OURS, label=family)
    axes.set(xscale="log", yscale="log")
    axes.set_xlabel("operations / byte")
    axes.set_ylabel("TFLOP/s")
    axes.set_title(f"ours filled, best peer hollow; slope {BYTES_PER_SECOND / 1e12:.1f} TB/s")
    axes.legend(loc="lower right")
    axes.grid(which="both", linewidth=0.2)


def ratios(axes: Any, rows: Sequence[Row]) -> None:
    """Best peer's time over ours, shape by shape: above one ours is faster."""
    places = range(len(rows))
    for family in dict.fromkeys(row.problem.family for row in rows):
        chosen = [place for place in places if rows[place].problem.family == family]
        heights = [rows[place].ratio for place in chosen]
        axes.plot(chosen, heights, MARKERS.get(family, "x"), color=OURS, label=family)
    others = {
        "+": ("peers may use PDL", [row.ratio_pdl for row in rows]),
        "2": ("ours early weights, too", [row.ratio_early for row in rows]),
    }
    for marker, (label, heights) in others.items():
        if not all(math.isnan(height) for height in heights):
            axes.plot(places, heights, marker, color=PEER, label=label)
    axes.axhline(1.0, color="grey", linewidth=0.8)
    axes.set_xticks(list(places), [str(row.problem) for row in rows], rotation=90, fontsize=6)
    axes.set_ylabel("best peer / ours")
    axes.margins(x=0.01)
    axes.legend(fontsize=8)
