"""Environment variables of this package: typed, read when they are asked for, listed by `python -m
vllm.envs`.

It knows each variable's type, default and meaning, and whether it changes compiled code. Nothing is
read at import, so that a variable set later still counts.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    VLLM_CACHE_ROOT: Path
    VLLM_CUSTOM_OPS: tuple[str, ...]
    VLLM_DEEP_GEMM_WARMUP: str
    VLLM_DISABLE_COMPILE_CACHE: bool
    VLLM_USE_DEEP_GEMM: bool
    VLLM_USE_MEGA_AOT_ARTIFACT: bool

TRUE = ("1", "true", "yes", "on")
FALSE = ("", "0", "false", "no", "off")
WARMUPS = ("skip", "relax", "full")


class BadVariableError(ValueError):
    """A variable holds what it cannot mean; the message names it, its value and what was
    expected.
    """


@dataclass(frozen=True, kw_only=True)
class Variable:
    """One environment variable; `compiled` says that its value changes what a model is compiled
    to.
    """

    name: str
    expected: str
    default: str
    meaning: str
    parse: Callable[[str], object]
    compiled: bool = False

    def read(self, environment: Mapping[str, str]) -> object:
        """Return the variable's value.

        Raises: BadVariableError where the text means nothing.
        """
        text = environment.get(self.name, self.default)
        try:
            return self.parse(text)
        except ValueError:
            raise BadVariableError(f"{self.name}: expected {self.expected}, got {text!r}") from None


def _switch(text: str) -> bool:
    if text.lower() in TRUE + FALSE:
        return text.lower() in TRUE
    raise ValueError(text)


def _warmup(text: str) -> str:
    if text in WARMUPS:
        return text
    raise ValueError(text)


def _operators(text: str) -> tuple[str, ...]:
    entries = tuple(entry.strip() for entry in text.split(",") if entry.strip())
    for entry in entries:
        if entry not in ("all", "none") and entry[:1] not in ("+", "-"):
            raise ValueError(entry)
    return entries


def _cache_root(text: str) -> Path:
    if text:
        return Path(text).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "vllm"


_SWITCH = "1 or 0 (also true, yes, on, false, no, off)"
VARIABLES: Mapping[str, Variable] = {
    variable.name: variable
    for variable in (
        Variable(
            name="VLLM_CACHE_ROOT",
            expected="a folder",
            default="",
            meaning="where caches lie; without it $XDG_CACHE_HOME/vllm or ~/.cache/vllm",
            parse=_cache_root,
        ),
        Variable(
            name="VLLM_CUSTOM_OPS",
            expected="all, none, +NAME or -NAME, separated by commas",
            default="all",
            meaning="which operators run the platform's own implementation; a later entry wins",
            parse=_operators,
            compiled=True,
        ),
        Variable(
            name="VLLM_DEEP_GEMM_WARMUP",
            expected="skip, relax or full",
            default="relax",
            meaning="how many DeepGEMM kernels are loaded before the first request",
            parse=_warmup,
        ),
        Variable(
            name="VLLM_DISABLE_COMPILE_CACHE",
            expected=_SWITCH,
            default="0",
            meaning="neither read nor write the compile cache",
            parse=_switch,
        ),
        Variable(
            name="VLLM_USE_DEEP_GEMM",
            expected=_SWITCH,
            default="1",
            meaning="use DeepGEMM's kernels where they are supported",
            parse=_switch,
            compiled=True,
        ),
        Variable(
            name="VLLM_USE_MEGA_AOT_ARTIFACT",
            expected=_SWITCH,
            default="0",
            meaning="save artefacts in Inductor's bundled ahead-of-time format",
            parse=_switch,
            compiled=True,
        ),
    )
}


def __getattr__(name: str) -> Any:
    """Read a variable from the environment as it is now."""
    if name in VARIABLES:
        return VARIABLES[name].read(os.environ)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the module's names, the variables among them."""
    return sorted({*globals(), *VARIABLES})


def main(arguments: Sequence[str] | None = None) -> int:
    """Print every variable with its value, default and meaning."""
    parser = argparse.ArgumentParser(prog="python -m vllm.envs", description=main.__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    rows = [_row(variable) for variable in VARIABLES.values()]
    if parser.parse_args(arguments).json:
        print(json.dumps(rows, indent=2))
        return 0
    for row in rows:
        print(f"{row['name']} = {row['value']}  (default: {row['default']})\n    {row['meaning']}")
    return 0


def _row(variable: Variable) -> dict[str, str]:
    try:
        value = _spell(variable.read(os.environ))
    except BadVariableError as error:
        value = f"error: {error}"
    default = _spell(variable.parse(variable.default))
    meaning = f"{variable.meaning}; {variable.expected}"
    return {"name": variable.name, "value": value, "default": default, "meaning": meaning}


def _spell(value: object) -> str:
    """Return a value as it may be written into the variable."""
    return ",".join(value) if isinstance(value, tuple) else str(value)


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` is no error
    sys.exit(main())
