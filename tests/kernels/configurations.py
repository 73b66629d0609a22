"""The compiled configurations as tests choose among them, and how launches are set meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch

from vllm.third_party import deep_gemm
from vllm.third_party.deep_gemm import _C

Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """One row of the table: what a test needs to know of it."""

    name: str
    family: str  # fp8, fp8_row_scales or bf16
    grouped: bool
    a_major: str  # k or mn: which of an operand's extents is dense
    b_major: str
    tile_m: int
    tile_n: int
    output: torch.dtype

    def __str__(self) -> str:
        return self.name

    @classmethod
    def from_row(cls, row: Mapping[str, object]) -> Configuration:
        """Read a row; what a table without such a choice leaves out has its only value."""
        return cls(
            name=str(row["name"]),
            family=str(row.get("family", "fp8")),
            grouped=bool(row.get("grouped", False)),
            a_major=str(row.get("a_major", "k")),
            b_major=str(row.get("b_major", "k")),
            tile_m=int(str(row["tile_m"])),
            tile_n=int(str(row["tile_n"])),
            output={2: torch.bfloat16, 4: torch.float32}[int(str(row["output_bytes"]))],
        )


def configurations(family: str, *, grouped: bool) -> list[Configuration]:
    """Return the table's rows for one family of functions."""
    rows = [Configuration.from_row(row) for row in _C.configs()]
    return [row for row in rows if (row.family, row.grouped) == (family, grouped)]


@contextmanager
def forced(configuration: Configuration) -> Iterator[Configuration]:
    """Make it the only one that the library may choose inside."""
    _C.force_config(configuration.name)
    try:
        yield configuration
    finally:
        _C.force_config(None)


@contextmanager
def early_weights(*, allowed: bool = True) -> Iterator[None]:
    """Let launches inside read B while the stream's last kernel still runs."""
    deep_gemm.set_early_weights(allowed)
    try:
        yield
    finally:
        deep_gemm.set_early_weights(False)


def ordinary(call: Callable[[], Result]) -> Result:
    """Call with launches that wait for the end of the stream's last kernel before they begin."""
    deep_gemm.set_pdl(False)
    try:
        return call()
    finally:
        deep_gemm.set_pdl(True)
