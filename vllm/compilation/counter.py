"""Counts of this process: what was compiled, loaded and saved."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(kw_only=True)
class CompilationCounter:
    """Events since the process began."""

    num_graphs_seen: int = 0  # graphs that torch.compile handed over
    num_pieces_seen: int = 0  # pieces that they were cut into, equal ones each
    num_compiled: int = 0  # pieces that a compiler made
    num_loaded: int = 0  # pieces that the cache served
    num_saved: int = 0  # entries that this process published
    num_uncached: int = 0  # pieces compiled without the cache, because a factor is unknown
    num_quarantined: int = 0  # damaged entries that were set aside

    def clone(self) -> CompilationCounter:
        """Return the counts as they are now."""
        return dataclasses.replace(self)

    def since(self, before: CompilationCounter) -> dict[str, int]:
        """Return how far each count has come."""
        names = [each.name for each in dataclasses.fields(self)]
        return {name: getattr(self, name) - getattr(before, name) for name in names}

    @contextmanager
    def expect(self, **counts: int) -> Iterator[None]:
        """Hold that a block moves the named counts by so much.

        Raises: AssertionError says which moved otherwise.
        """
        before = self.clone()
        yield
        moved = self.since(before)
        wrong = [f"{n}: expected {c}, got {moved[n]}" for n, c in counts.items() if moved[n] != c]
        if wrong:
            raise AssertionError("; ".join(wrong))


compilation_counter = CompilationCounter()
