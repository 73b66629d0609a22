"""What compiled code takes for granted of symbolic sizes: written down with it, and imposed again
where it is loaded.

Without this a loaded piece would run for sizes that its compiler never had in mind, and Dynamo
would not know to trace anew.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from vllm.compilation.factors import UnkeyableError
from vllm.compilation.graph_factors import shape_environment


def known_guards(inputs: Sequence[object]) -> str | None:
    """Return everything that is known of the inputs' symbols, as an expression of their positions.

    Raises: UnkeyableError where torch cannot say it.
    """
    sizes, environment = _symbolic(inputs), shape_environment(inputs)
    if environment is None:
        return None
    try:
        guards = environment.get_pruned_guards(sizes)
        text: str | None = environment.produce_guards_expression(sizes, guards=guards)
    except Exception as error:  # torch's own checks fail in many ways
        raise UnkeyableError(
            f"guards: torch cannot say what holds of the sizes ({error})"
        ) from error
    return text


def impose(guards: str | None, inputs: Sequence[object]) -> bool:
    """Hold what compiled code takes for granted for the sizes at hand, and tell Dynamo; return
    whether it holds.
    """
    if not guards:
        return True
    environment = shape_environment(inputs)
    if environment is None:
        return False
    try:
        return bool(environment.evaluate_guards_expression(guards, _symbolic(inputs)))
    except Exception:  # a size that only the data tells: nothing can be held of it
        return False


def _symbolic(inputs: Sequence[object]) -> list[torch.SymInt]:
    """Return the symbolic sizes among the inputs and their shapes, each once, in order."""
    found: dict[str, torch.SymInt] = {}
    for value in inputs:
        for size in value.shape if isinstance(value, torch.Tensor) else (value,):
            if isinstance(size, torch.SymInt):
                found.setdefault(str(size.node.expr), size)
    return list(found.values())
