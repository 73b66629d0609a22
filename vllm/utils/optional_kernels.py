"""Whether an optional package really serves a symbol: it is imported once, classified, and said
once.

Finding a package proves nothing: its submodule may be absent, its binary broken, its version
another one. Only the symbol itself does.
"""

from __future__ import annotations

import importlib
import inspect
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

logger = logging.getLogger(__name__)

State = Literal["present", "absent", "broken", "wrong version"]


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What became of one symbol: `call` where it is present, else the reason why not."""

    symbol: str
    state: State
    reason: str = ""
    call: Callable[..., Any] | None = None


@cache
def probe(module: str, name: str, parameters: tuple[str, ...] = ()) -> Probe:
    """Import `module.name` and classify what happens; a callable must also take the named
    parameters.
    """
    result = _classified(module, name, parameters)
    if result.state == "absent":
        logger.debug("%s: absent; the native implementation serves", result.symbol)
    elif result.state != "present":
        logger.warning(
            "%s: %s (%s); the native implementation serves",
            result.symbol,
            result.state,
            result.reason,
        )
    return result


def _classified(module: str, name: str, parameters: tuple[str, ...]) -> Probe:
    symbol = f"{module}.{name}"
    try:
        found = getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        return Probe(symbol=symbol, state=_state_of_missing(module, error), reason=str(error))
    except AttributeError as error:
        return Probe(symbol=symbol, state="wrong version", reason=str(error))
    except Exception as error:  # whatever a foreign package's import may do
        reason = f"{type(error).__name__}: {error}"
        return Probe(symbol=symbol, state="broken", reason=reason)
    lacking = sorted(set(parameters) - _parameters(found))
    if lacking:
        reason = f"takes no {', '.join(lacking)}"
        return Probe(symbol=symbol, state="wrong version", reason=reason)
    return Probe(symbol=symbol, state="present", call=found)


def _state_of_missing(module: str, error: ModuleNotFoundError) -> State:
    """Tell an absent package from a present one without the submodule, and from one that lacks
    another package.
    """
    package = module.partition(".")[0]
    if error.name == package:
        return "absent"
    return "wrong version" if (error.name or "").startswith(f"{package}.") else "broken"


def _parameters(found: object) -> set[str]:
    if not callable(found):
        return set()
    try:
        return set(inspect.signature(found).parameters)
    except (TypeError, ValueError):  # a built-in without a signature: its call will tell
        return set()
