"""The backend for torch.compile: cut the graph, then load or compile each piece.

It knows the order of things; factors, cutting, compilers and the cache have modules of their own.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import fx

from vllm.compilation.cache import CompileCache, compile_uncached
from vllm.compilation.compiler_interface import (
    CompilerInterface,
    hash_compilers,
    is_compile_cache_enabled,
    make_compiler,
    torch_state,
)
from vllm.compilation.compiler_settings import cpp_compiler
from vllm.compilation.config import CompilationConfig, current_compilation_config
from vllm.compilation.counter import compilation_counter
from vllm.compilation.device_factors import device_factors, environment_factors
from vllm.compilation.factors import Factors, UnkeyableError, plain
from vllm.compilation.graph_factors import devices_of, graph_factors
from vllm.compilation.partition import Piece, cut
from vllm.compilation.piece_maker import CompiledPiece, PieceMaker, Told
from vllm.compilation.sources import source_factors

logger = logging.getLogger(__name__)


class VllmBackend:
    """`torch.compile(model, backend=VllmBackend())`: pieces of equal factors compile once, for all
    processes.
    """

    def __init__(
        self,
        config: CompilationConfig | None = None,
        *,
        cache: CompileCache | None = None,
        compiler: CompilerInterface | None = None,
    ) -> None:
        self.config = config or current_compilation_config()
        self.compiler = compiler or make_compiler(self.config)
        self.cache = cache or CompileCache.default()

    def prepare(self) -> None:
        """Begin what a key needs and a model does not; call it before weights are read."""
        if self.compiler.name != "eager" and is_compile_cache_enabled():
            hash_compilers()

    def __call__(self, graph: fx.GraphModule, inputs: Sequence[object]) -> Callable[..., Any]:
        """Return what runs a traced graph."""
        began, before = time.perf_counter(), compilation_counter.clone()
        compilation_counter.num_graphs_seen += 1
        whole, pieces = cut(graph, inputs, self.config.splitting_ops)
        shared, told = self._shared_factors(devices_of(graph, inputs)), Told()
        # Order: all keys before any compilation, which adds to what is known of sizes, and where it
        # is loaded adds the same in other words. Its guards lie with its entry.
        asked = [
            (PieceMaker.of(each, self.compiler, told), _asked(shared, each)) for each in pieces
        ]
        calls = {maker.piece.name: self._compiled(maker, factors) for maker, factors in asked}
        moved = compilation_counter.since(before)
        took = time.perf_counter() - began
        logger.info(
            "%d pieces in %.2f s: %d loaded, %d compiled, %d saved",
            len(pieces), took, moved["num_loaded"], moved["num_compiled"], moved["num_saved"],
        )  # fmt: skip
        return _assembled(whole, calls)

    def _shared_factors(self, devices: Collection[torch.device]) -> Factors | str:
        """Return the factors of every piece, or why there is no cache."""
        if self.compiler.name == "eager" or not is_compile_cache_enabled():
            return "the cache is switched off"
        try:
            return shared_factors(self.config, self.compiler, devices)
        except UnkeyableError as error:
            return str(error)

    def _compiled(self, maker: PieceMaker, factors: Factors | str) -> Callable[..., Any]:
        compilation_counter.num_pieces_seen += 1
        try:
            made = self._cached(maker, factors)
        except UnkeyableError as error:
            made = compile_uncached(maker, str(error))
        return _as_graph_returns(maker.piece.graph, made.call)

    def _cached(self, maker: PieceMaker, factors: Factors | str) -> CompiledPiece:
        """Return a piece that holds for the sizes at hand; sizes that an entry excludes have an
        entry of their own.
        """
        if isinstance(factors, str):
            raise UnkeyableError(factors)
        refused: list[str | None] = []
        while True:
            made: CompiledPiece = self.cache.get(factors, maker)
            if maker.holds(made):
                return made
            reason = f"guards: {made.guards} does not hold of the sizes at hand"
            if made.guards in refused:
                raise UnkeyableError(reason)
            logger.info(
                "compile cache: %s is not for %r: %s", factors.key[:12], maker.piece.name, reason
            )
            refused.append(made.guards)
            factors = dataclasses.replace(
                factors, graph={**factors.graph, "refused": list(refused)}
            )


def shared_factors(
    config: CompilationConfig, compiler: CompilerInterface, devices: Collection[torch.device]
) -> Factors:
    """Return the factors that all pieces of a traced graph share.

    Raises: UnkeyableError names the factor that is not known.
    """
    on_cpu = any(device.type == "cpu" for device in devices)
    options = {"splitting_ops": config.splitting_ops, "options": config.inductor_options}
    return Factors(
        environment=environment_factors(),
        model=plain(config.model, "model"),
        compilation=plain({**options, "compiler": config.compiler}, "compilation"),
        sources=source_factors(_traced_files(), skip=_TORCH),
        compiler=compiler.factors(),
        device={
            **device_factors(devices),
            "torch": torch_state(threads=on_cpu),
            "cpp": cpp_compiler() if on_cpu else None,
        },
    )


def piece_factors(shared: Factors | str, piece: Piece) -> Factors:
    """Return all factors of one piece.

    Raises: UnkeyableError where there are none to share, or the graph has no canonical form.
    """
    if isinstance(shared, str):
        raise UnkeyableError(shared)
    return dataclasses.replace(shared, graph=graph_factors(piece.graph, piece.inputs))


def _asked(shared: Factors | str, piece: Piece) -> Factors | str:
    """Return all factors of one piece, or why there are none."""
    try:
        return piece_factors(shared, piece)
    except UnkeyableError as error:
        return str(error)


_TORCH = (str(Path(torch.__file__).parent),)  # torch's own sources are a factor of the compiler


def _traced_files() -> list[str]:
    """Return the files whose code Dynamo traced into the graph at hand.

    Raises: UnkeyableError outside of a compilation, and for code without a file.
    """
    tracing = torch._guards.TracingContext
    ask = getattr(tracing, "get_traced_code", None)  # torch 2.9 and later have it
    traced = ask() if ask is not None and tracing.try_get() is not None else None
    if not traced:
        raise UnkeyableError("sources: Dynamo does not say which code it traced")
    files = {code.co_filename for code in traced}
    return [file for file in files if not file.startswith("<frozen ")]


def _as_graph_returns(graph: fx.GraphModule, call: Callable[..., Any]) -> Callable[..., Any]:
    """Return a call whose result has the graph's form: compilers return sequences, pieces may
    return one value.
    """
    returned = next(node for node in graph.graph.nodes if node.op == "output").args[0]
    if isinstance(returned, list | tuple):
        return call

    def only(*inputs: object) -> object:
        result = call(*inputs)
        return result[0] if isinstance(result, list | tuple) else result

    return only


def _assembled(whole: fx.GraphModule, calls: dict[str, Callable[..., Any]]) -> Callable[..., Any]:
    if set(calls) == {""}:
        return calls[""]
    for name, call in calls.items():
        delattr(whole, name)
        whole.__dict__[name] = call
    run: Callable[..., Any] = whole
    return run
