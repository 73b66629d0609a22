"""What is measured: the shapes of each family of functions."""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterable
from dataclasses import dataclass

# (n, k) of DeepSeek-V3's weights that DeepGEMM publishes, and the rows of decode and prefill.
WEIGHTS = ((2112, 7168), (24576, 1536), (32768, 512), (7168, 16384), (4096, 7168), (7168, 2048))
ROWS = (64, 128, 1024, 4096, 8192)
# Of its experts, and (groups, rows a group) of prefill and of decode.
EXPERT_WEIGHTS = ((4096, 7168), (7168, 2048))
PREFILL_GROUPS = ((4, 8192), (8, 4096))
DECODE_GROUPS = ((1, 1024), (2, 512), (4, 256))
BF16_WEIGHTS = ((2112, 7168), (24576, 1536), (4096, 7168), (7168, 2048))

# Masked rows are drawn within this part of the expected.
MASKED_SPREAD = 0.3

DECODE_ROWS = 128  # as many rows or fewer are bound by the bytes of the weights


@dataclass(frozen=True, kw_only=True)
class Problem:
    """The extents of one call; `m` is the rows, with groups the expected rows of each."""

    family: str
    m: int
    n: int
    k: int
    groups: int = 1

    def __str__(self) -> str:
        return f"{self.groups}x" * self.has_groups + f"{self.m}x{self.n}x{self.k}"

    @property
    def has_groups(self) -> bool:
        return self.family in {"grouped", "masked"}

    @property
    def is_decode(self) -> bool:
        return not self.has_groups and self.m <= DECODE_ROWS


def _plain(family: str, weights: tuple[tuple[int, int], ...]) -> tuple[Problem, ...]:
    return tuple(Problem(family=family, m=m, n=n, k=k) for n, k in weights for m in ROWS)


def _grouped(family: str, groups: tuple[tuple[int, int], ...]) -> tuple[Problem, ...]:
    return tuple(
        Problem(family=family, groups=count, m=m, n=n, k=k)
        for count, m in groups
        for n, k in EXPERT_WEIGHTS
    )


PROBLEMS = {
    "dense": _plain("dense", WEIGHTS),
    "grouped": _grouped("grouped", PREFILL_GROUPS),
    "masked": _grouped("masked", DECODE_GROUPS),
    "bf16": _plain("bf16", BF16_WEIGHTS),
}


def add_options(parser: argparse.ArgumentParser, families: Iterable[str], default: str) -> None:
    """Add the options that choose problems."""
    parser.add_argument(
        "--family", choices=families, default=default, help=f"functions (default: {default})"
    )
    parser.add_argument(
        "--rows", type=int, nargs="*", help="only these values of m, a group's where there are any"
    )
    parser.add_argument(
        "--shape",
        type=int,
        nargs=3,
        action="append",
        default=[],
        metavar=("M", "N", "K"),
        help="this one, of dense or bf16, and no published one; may be given again",
    )


def chosen_problems(options: argparse.Namespace) -> list[Problem]:
    """Return the shapes that are named, or the published ones of a family, or of all, that have one
    of the named values of m.

    Raises: ValueError where there is none.
    """
    family, rows = options.family, options.rows
    if options.shape:
        if family not in {"dense", "bf16"}:
            raise ValueError(f"--shape: expected --family dense or bf16, got {family}")
        if rows is not None:
            raise ValueError(f"--rows: expected none beside --shape, got {rows}")
        if min(map(min, options.shape)) < 1:
            raise ValueError(f"--shape: expected three numbers above 0, got {options.shape}")
        return [Problem(family=family, m=m, n=n, k=k) for m, n, k in options.shape]
    families = PROBLEMS if family == "all" else (family,)
    problems = [problem for name in families for problem in PROBLEMS[name]]
    there = sorted({problem.m for problem in problems})
    chosen = [problem for problem in problems if rows is None or problem.m in rows]
    if not chosen:
        expected = ", ".join(map(str, there))
        raise ValueError(f"--rows: expected some of {expected}, got {rows}")
    return chosen


def masked_rows(problem: Problem) -> tuple[int, ...]:
    """Draw the rows of each group that count, the same at each call for one problem."""
    source = random.Random(f"{problem}")  # noqa: S311 - no secret
    low, high = 1 - MASKED_SPREAD, 1 + MASKED_SPREAD
    return tuple(round(problem.m * source.uniform(low, high)) for _ in range(problem.groups))
