"""What compiled code takes for granted of symbolic sizes: written down with it, and imposed again
where it is loaded.

Without this a loaded piece would run for sizes that its compiler never had in mind, and Dynamo
would not know to trace anew.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from vllm.compilation.factors import UnkeyableError
from vllm.compilation.graph_factors import symbolic_numbers

Sizes = tuple[torch.SymInt, ...]

# An expression that holds of no sizes: for code that assumes what torch cannot say.
UNKNOWN = "False"


def symbolic_sizes(inputs: Sequence[object]) -> Sizes:
    """Return the symbolic sizes, strides and offsets among the inputs, each once, in order.

    Order: before any compilation. One may find two sizes equal, which then count as one, and
    positions in the guards of other processes would mean other sizes.
    """
    found: dict[str, torch.SymInt] = {}
    for value in symbolic_numbers(inputs):
        found.setdefault(str(value.node.expr), value)
    return tuple(found.values())


def known_guards(sizes: Sizes) -> str | None:
    """Return everything that is known of some sizes, as an expression of their positions.

    Raises: UnkeyableError where torch cannot say it.
    """
    if not sizes:
        return None
    environment = sizes[0].node.shape_env
    try:
        guards = environment.get_pruned_guards(sizes)
        text: str | None = environment.produce_guards_expression(sizes, guards=guards)
    except Exception as error:  # torch's own checks fail in many ways
        raise UnkeyableError(
            f"guards: torch cannot say what holds of the sizes ({error})"
        ) from error
    return text


def impose(guards: str | None, sizes: Sizes) -> bool:
    """Hold what compiled code takes for granted for the sizes at hand, and tell Dynamo; return
    whether it holds.

    What does not hold leaves no trace in the shape environment.

    Source: pytorch's FxGraphCache, which evaluates an entry's guards of hints, then of symbols.
    """
    if not guards:
        return True
    if not sizes:
        return False
    evaluate = sizes[0].node.shape_env.evaluate_guards_expression
    try:
        hints = [size.node.hint for size in sizes]
        return bool(evaluate(guards, hints)) and bool(evaluate(guards, sizes))
    except Exception:  # a size that only the data tells: nothing can be held of it
        return False
