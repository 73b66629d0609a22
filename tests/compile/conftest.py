"""Fixtures of the compile tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch

from vllm.compilation.factors import UnkeyableError


@pytest.fixture
def fresh_dynamo() -> Iterator[None]:
    """Let each test trace anew, as a new process would."""
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.fixture
def silent_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let torch not say what holds of sizes."""

    def refuse(_sizes: Sequence[Any]) -> str:
        raise UnkeyableError("guards: torch cannot say")

    monkeypatch.setattr("vllm.compilation.piece_maker.known_guards", refuse)
