"""A function of another's module or class answered by us, for one thread and for a while."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any


@contextlib.contextmanager
def answered(owner: Any, name: str, answer: Callable[..., Any]) -> Iterator[None]:
    """Let this thread's calls of a function, or of a static or class method, be ours.

    Other threads' calls go where they went. What the owner does not have is not added to it.

    Order: one thread at a time, whose caller holds a lock.
    """
    found = vars(owner).get(name)
    if found is None:
        yield
        return
    real, thread = getattr(owner, name), threading.get_ident()

    def call(*values: object, **options: object) -> Any:
        here = threading.get_ident() == thread
        return (answer if here else real)(*values, **options)

    setattr(owner, name, staticmethod(call) if isinstance(owner, type) else call)
    try:
        yield
    finally:
        setattr(owner, name, found)
