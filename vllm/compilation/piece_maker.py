"""One piece of a graph, made or loaded, with what must hold of its sizes beside it.

It knows guards and Dynamo's shape environment; it refuses to know keys and where entries lie.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vllm.compilation.compiler_interface import CompilerInterface
from vllm.compilation.factors import UnkeyableError, UnsavableError
from vllm.compilation.partition import Piece
from vllm.compilation.shape_guards import (
    UNKNOWN,
    Sizes,
    impose,
    known_guards,
    symbolic_sizes,
)

GUARDS = "guards.json"


@dataclass(frozen=True, kw_only=True, eq=False)
class CompiledPiece:
    """What a piece became, and what must hold of its sizes."""

    call: Callable[..., Any]
    guards: str | None


# Compiled pieces, and the sizes of which Dynamo knows that they hold.
Told = set[tuple[CompiledPiece, tuple[str, ...]]]


@dataclass(frozen=True, kw_only=True)
class PieceMaker:
    """Makes a piece with a compiler, and keeps what must hold of its sizes beside it."""

    piece: Piece
    compiler: CompilerInterface
    sizes: Sizes
    names: tuple[str, ...]  # the sizes as they were before any compilation
    told: Told

    @classmethod
    def of(cls, piece: Piece, compiler: CompilerInterface, told: Told) -> PieceMaker:
        """Return the maker of a piece; `told` is shared by the pieces of one traced graph."""
        sizes = symbolic_sizes(piece.inputs)
        names = tuple(str(size) for size in sizes)
        return cls(piece=piece, compiler=compiler, sizes=sizes, names=names, told=told)

    def holds(self, made: CompiledPiece) -> bool:
        """Whether a piece holds for the sizes at hand; Dynamo then knows under which guards."""
        if (made, self.names) not in self.told and impose(made.guards, self.sizes):
            self.told.add((made, self.names))
        return (made, self.names) in self.told

    def compile(self, folder: Path | None) -> CompiledPiece:
        """Compile the piece, and leave in the folder, where there is one, what `load` needs.

        Raises: UnsavableError, which holds the piece, where it cannot be saved.
        """
        flaw: Exception | None = None
        try:
            call = self.compiler.compile(self.piece.graph, self.piece.inputs, folder)
        except UnsavableError as error:
            call, flaw = error.made, error
        try:
            guards = known_guards(self.sizes)
        except UnkeyableError as error:
            guards, flaw = UNKNOWN, error
        made = CompiledPiece(call=call, guards=guards)
        self.told.add((made, self.names))
        if folder is not None and flaw is not None:
            raise UnsavableError(str(flaw), made) from flaw
        if folder is not None:
            (folder / GUARDS).write_text(json.dumps({"guards": guards}), encoding="utf-8")
        return made

    def load(self, folder: Path) -> CompiledPiece:
        """Load the piece; whether it holds here is still to be asked."""
        guards = json.loads((folder / GUARDS).read_text(encoding="utf-8"))["guards"]
        return CompiledPiece(call=self.compiler.load(folder), guards=guards)
