"""The GPU's architecture, and decorators that look at a condition when a test is called."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable

Test = Callable[..., None]


def get_arch_major() -> int:
    """Return the major compute capability of the current GPU: 9 for Hopper."""
    import torch

    return int(torch.cuda.get_device_capability()[0])


def test_filter(condition: Callable[[], bool]) -> Callable[[Test], Test]:
    """Return a decorator whose tests say so and do nothing where the condition does not hold."""

    def decorate(test: Test) -> Test:
        @functools.wraps(test)
        def filtered(*arguments: object, **options: object) -> None:
            if condition():
                test(*arguments, **options)
            else:
                print(f"{test.__name__}: skipped, its condition does not hold")

        return filtered

    return decorate


test_filter.__test__ = False  # type: ignore[attr-defined]  # pytest would take it for a test


def ignore_env(name: str, condition: Callable[[], bool]) -> Callable[[Test], Test]:
    """Return a decorator whose tests run without an environment variable where the condition
    holds; the variable is there again afterwards, also after a failure.
    """

    def decorate(test: Test) -> Test:
        @functools.wraps(test)
        def without(*arguments: object, **options: object) -> None:
            saved = os.environ.pop(name, None) if condition() else None
            try:
                test(*arguments, **options)
            finally:
                if saved is not None:
                    os.environ[name] = saved

        return without

    return decorate
