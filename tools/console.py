"""What a tool shows while it works: steps, their durations, closing tables.

The only module that knows rich. Progress goes to stderr: stdout stays for results and `--json`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.table import Table

LOG_WIDTH = 240

stderr = Console(stderr=True, highlight=False, soft_wrap=True)
stdout = Console(highlight=False, soft_wrap=True)


class Skip(Exception):  # noqa: N818 - an outcome, not an error
    """Raised inside a step to report that there was nothing to do, and why."""


@contextmanager
def step(title: str) -> Iterator[None]:
    """Print `==> title`, then `ok 12.4 s`, `skip reason` or `FAIL 12.4 s` when the block ends."""
    stderr.print(f"[bold]==>[/] {escape(title)}")
    start = time.monotonic()
    try:
        yield
    except Skip as reason:
        stderr.print(f"[yellow]skip[/] {escape(str(reason))}")
    except BaseException:
        stderr.print(f"[bold red]FAIL[/] {time.monotonic() - start:.1f} s")
        raise
    else:
        stderr.print(f"[green]ok[/] {time.monotonic() - start:.1f} s")


class Bytes:
    """A count of bytes against what is expected, shown while it grows."""

    def __init__(self, progress: Progress, title: str) -> None:
        self._progress = progress
        self._task = progress.add_task(title, total=None)
        self._expected = 0

    def expect(self, count: int) -> None:
        """Expect so many bytes more."""
        self._expected += count
        self._progress.update(self._task, total=self._expected)

    def advance(self, count: int) -> None:
        """Count bytes that came."""
        self._progress.advance(self._task, count)


@contextmanager
def byte_progress(title: str) -> Iterator[Bytes]:
    """Show a bar of bytes on a terminal while the block runs; a log shows nothing."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(
        *columns,
        TransferSpeedColumn(),
        console=stderr,
        transient=True,
        disable=not stderr.is_terminal,
    ) as progress:
        yield Bytes(progress, title)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a closing table on stderr; a column whose cells are all numbers is aligned right."""
    view = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for index, name in enumerate(columns):
        numeric = all(isinstance(row[index], (int, float)) for row in rows) and bool(rows)
        view.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        view.add_row(*(escape(str(cell)) for cell in row))
    # A log has no edge to fold cells at; rich would assume 80 columns.
    log = Console(stderr=True, highlight=False, width=LOG_WIDTH)
    (stderr if stderr.is_terminal else log).print(view)
