"""The compile cache: what was compiled once is loaded, by whoever needs the same.

`CompileCache.get` is all that a backend needs; `python -m vllm.compilation.cache` is for people. It
knows keys, files and locks; it imports no torch.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from vllm import envs
from vllm.compilation.cache.flight import single_flight
from vllm.compilation.cache.store import Store
from vllm.compilation.counter import compilation_counter
from vllm.compilation.factors import Factors, UnsavableError
from vllm.compilation.process_folder import process_folder

logger = logging.getLogger(__name__)

__all__ = ["CompileCache", "Maker", "Store", "cache_root"]


class Maker(Protocol):
    """How one artefact is made and read back."""

    def compile(self, folder: Path | None) -> Any:
        """Make it, and leave in the folder, where there is one, what `load` needs.

        Raises: UnsavableError, which holds it, where it cannot be saved.
        """

    def load(self, folder: Path) -> Any:
        """Return it from a folder, which stays while the process lives."""


def cache_root() -> Path:
    """Return the folder of the compile cache."""
    return envs.VLLM_CACHE_ROOT / "torch_compile_cache"


@dataclass(kw_only=True)
class CompileCache:
    """A store and what this process has taken from it: an equal artefact is made or loaded once."""

    store: Store
    _known: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def default(cls) -> CompileCache:
        """Return the cache below VLLM_CACHE_ROOT."""
        return cls(store=Store(root=cache_root()))

    def get(self, factors: Factors, maker: Maker) -> Any:
        """Return the artefact of some factors: known, loaded, or made and published.

        Across processes one makes it while the others wait, then load. Where the cache cannot be
        written, it is made here and that is said.
        """
        key = factors.key
        if key not in self._known:
            found = self._load(key, maker)
            self._known[key] = self._make(factors, maker) if found is None else found
        return self._known[key]

    def _load(self, key: str, maker: Maker) -> Any:
        """Return a key's artefact, None where there is no entry that can be used."""
        folder = Path(tempfile.mkdtemp(prefix=f"{key[:12]}-", dir=process_folder()))
        if not self.store.take(key, folder):
            return None
        try:
            loaded = maker.load(folder)
        except Exception as error:  # undamaged, yet unusable: only a new one helps
            self.store.set_aside(key, f"cannot be loaded: {type(error).__name__}: {error}")
            shutil.rmtree(folder, ignore_errors=True)
            return None
        compilation_counter.num_loaded += 1
        return loaded

    def _make(self, factors: Factors, maker: Maker) -> Any:
        with ExitStack() as held:
            try:
                held.enter_context(single_flight(self.store.lock(factors.key)))
            except OSError as error:
                logger.warning("compile cache: %s cannot be locked (%s)", self.store.root, error)
            found = self._load(factors.key, maker)
            return self._compile(factors, maker) if found is None else found

    def _compile(self, factors: Factors, maker: Maker) -> Any:
        """Make an artefact and publish it, where both it and the store allow that."""
        made: list[Any] = []

        def fill(folder: Path) -> None:
            made.append(maker.compile(folder))
            compilation_counter.num_compiled += 1

        try:
            compilation_counter.num_saved += self.store.publish(factors, fill)
        except UnsavableError as error:
            return _unsaved(error)
        except OSError as error:
            logger.warning("compile cache: nothing saved below %s (%s)", self.store.root, error)
            if not made:
                return compile_uncached(maker, str(error))
        return made[0]


def compile_uncached(maker: Maker, reason: str) -> Any:
    """Make an artefact without the cache, and say why."""
    _say(reason)
    compilation_counter.num_compiled += 1
    compilation_counter.num_uncached += 1
    return maker.compile(None)


def _unsaved(error: UnsavableError) -> Any:
    _say(str(error))
    compilation_counter.num_compiled += 1
    compilation_counter.num_uncached += 1
    return error.made


@cache
def _say(reason: str) -> None:
    """Say once why something is not cached; every piece of a model has the same reason."""
    logger.warning("compile cache: not cached: %s", reason)
