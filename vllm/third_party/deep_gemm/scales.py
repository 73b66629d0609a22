"""Scale factors of the FP8 functions' operands: which recipe a call asks for, and the layout that
the kernels read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .layout import copy_mn_major

if TYPE_CHECKING:
    import torch

Recipe = tuple[int, int, int]
Granularity = tuple[int, int]

# Of (A's rows, B's rows, k): a factor for each 128 x 128 of B, or for each row of it.
BLOCKS: Recipe = (1, 128, 128)
ROWS: Recipe = (1, 1, 128)


def has_row_scales(
    recipe: Recipe | None, recipe_a: Granularity | None, recipe_b: Granularity | None
) -> bool:
    """Tell whether B has a scale factor for each row, not for each block.

    Raises: ValueError names the recipe that is not served.
    """
    if recipe_a is None and recipe_b is None and recipe in (BLOCKS, ROWS):
        return recipe == ROWS
    if recipe is not None and tuple(recipe) not in (BLOCKS, ROWS):
        raise ValueError(f"recipe: expected {BLOCKS}, {ROWS} or None, got {tuple(recipe)}")
    if recipe_a is not None and tuple(recipe_a) != (1, 128):
        raise ValueError(f"recipe_a: expected (1, 128) or None, got {tuple(recipe_a)}")
    of_b = recipe[1:] if recipe is not None else recipe_b
    if of_b is not None and tuple(of_b) not in ((1, 128), (128, 128)):
        raise ValueError(f"recipe_b: expected (1, 128), (128, 128) or None, got {tuple(of_b)}")
    if recipe is not None and recipe_b is not None and tuple(recipe_b) != tuple(recipe[1:]):
        raise ValueError(f"recipe_b: expected {tuple(recipe[1:])} as recipe says, got {recipe_b}")
    return of_b is not None and tuple(of_b) == (1, 128)


def expect_block_scales(
    recipe: Recipe | None, recipe_a: Granularity | None, recipe_b: Granularity | None
) -> None:
    """Raise a ValueError where a grouped call asks for scale factors of B's rows."""
    if has_row_scales(recipe, recipe_a, recipe_b):
        name, given = ("recipe", recipe) if recipe is not None else ("recipe_b", recipe_b)
        served = BLOCKS if recipe is not None else BLOCKS[1:]
        raise ValueError(f"{name}: expected {served} or None for grouped rows, got {given}")


def mn_major(scale: torch.Tensor) -> torch.Tensor:
    """Return a copy of `scale` whose columns a bulk copy can read: the extension asks for it where
    that is needed. Another library's tensor is returned as it is, and refused.

    Shapes: (mn, k) or (groups, mn, k) -> the same.
    """
    return copy_mn_major(scale) if hasattr(scale, "new_empty") else scale
