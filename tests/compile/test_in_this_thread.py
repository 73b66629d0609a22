"""Functions of others that one thread calls otherwise."""

from __future__ import annotations

import threading
from types import SimpleNamespace

from vllm.compilation.in_this_thread import answered


class Owner:
    """Has a method of each kind that needs no instance."""

    @classmethod
    def of_class(cls) -> str:
        return cls.__name__

    @staticmethod
    def static(value: int) -> int:
        return value


def test_this_thread_is_answered_and_the_others_are_not() -> None:
    """By instances as by classes, until the block ends."""
    before, seen = dict(vars(Owner)), []
    with (
        answered(Owner, "of_class", lambda: "ours"),
        answered(Owner, "static", lambda value: -value),
    ):
        other = threading.Thread(target=lambda: seen.extend([Owner().of_class(), Owner.static(1)]))
        other.start()
        other.join()
        seen.extend([Owner().of_class(), Owner.static(1)])
    assert seen == ["Owner", 1, "ours", -1]
    assert {name: vars(Owner)[name] for name in before} == before


def test_a_function_of_a_module_is_answered_too() -> None:
    """An error ends it as well."""
    module = SimpleNamespace(double=lambda value: 2 * value)
    try:
        with answered(module, "double", lambda value: value):
            assert module.double(3) == 3
            raise RuntimeError
    except RuntimeError:
        assert module.double(3) == 6


def test_what_the_owner_has_not_is_not_added() -> None:
    """Another torch may do without."""
    with answered(Owner, "missing", lambda: None):
        assert not hasattr(Owner, "missing")
    assert not hasattr(Owner, "missing")
