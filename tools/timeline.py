"""The picture of a build: which step ran when, from ninja's log, as an SVG.

It knows the log and drawing; it refuses to know more of the steps than the names of their outputs.
Source: ninja's manual and build_log.cc for the log (tab-separated: start ms, end ms, time of the
output in ns, output, hash of the command).
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["cubin", "object", "binary"]

COLOURS: dict[Kind, str] = {"cubin": "#4c9f70", "object": "#3f72af", "binary": "#c06c4a"}
WIDTH, ROW, LABELS = 1020, 18, 390  # px


@dataclass(frozen=True, kw_only=True)
class Step:
    """One command of the build.

    Units: milliseconds since ninja started.
    """

    start: int
    end: int
    output: str

    @property
    def kind(self) -> Kind:
        """What the step makes, by its output's name."""
        if self.output.endswith(".cubin"):
            return "cubin"
        return "object" if self.output.endswith(".o") else "binary"

    @property
    def label(self) -> str:
        """The output's name without the folders of the build tree, an object with its target."""
        name = self.output.rpartition("/")[2]
        target = self.output.partition("CMakeFiles/")[2].partition(".dir/")[0]
        return f"{target}: {name}" if target else name


def read_steps(log: Path, since_ns: int = 0) -> tuple[Step, ...]:
    """Return the steps that made their outputs since a time, the first to start first."""
    lines = log.read_text().splitlines()[1:] if log.is_file() else []
    steps: dict[tuple[str, ...], Step] = {}
    for line in lines:
        start, end, made_ns, output, command = line.split("\t")
        if int(made_ns) >= since_ns and not Path(output).is_absolute():
            step = Step(start=int(start), end=int(end), output=output)
            steps.setdefault((start, end, command), step)  # one line for each output
    return tuple(sorted(steps.values(), key=lambda step: (step.start, step.end)))


def draw(steps: Sequence[Step], title: str) -> str:
    """Return the SVG: a bar a step, its seconds beside it, a grid line each second of the build."""
    end = max((step.end for step in steps), default=1)
    scale = (WIDTH - LABELS - 60) / end
    height = (len(steps) + 3) * ROW
    seconds = range(0, end // 1000 + 1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        'font-family="sans-serif" font-size="11">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        f'<text x="8" y="{ROW - 4}" font-weight="bold">{html.escape(title)}</text>',
        *(_grid(LABELS + 1000 * second * scale, second, height) for second in seconds),
        *(_bar(step, ROW * (index + 2), scale) for index, step in enumerate(steps)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _grid(x: float, second: int, height: int) -> str:
    return (
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{2 * ROW}" y2="{height}" stroke="#ddd"/>'
        f'<text x="{x:.1f}" y="{2 * ROW - 4}" fill="#888" text-anchor="middle">{second} s</text>'
    )


def _bar(step: Step, y: int, scale: float) -> str:
    x, width = LABELS + step.start * scale, max(1.0, (step.end - step.start) * scale)
    duration = (step.end - step.start) / 1000
    return (
        f'<text x="{LABELS - 8}" y="{y + 13}" text-anchor="end">{html.escape(step.label)}</text>'
        f'<rect x="{x:.1f}" y="{y + 3}" width="{width:.1f}" height="{ROW - 5}" rx="2" '
        f'fill="{COLOURS[step.kind]}"/>'
        f'<text x="{x + width + 4:.1f}" y="{y + 13}" fill="#555">{duration:.2f}</text>'
    )
