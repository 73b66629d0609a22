"""What Inductor found out of this CPU and its C++ compiler: which vector instructions both can do.

Inductor compiles and runs small programs to know that, in every process that makes or loads C++
kernels. Their answers are kept beside an entry, under a key that names the CPU, the compiler and
torch, so that who loads it asks nobody.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from vllm.compilation.factors import canonical_json
from vllm.compilation.process_folder import process_folder

ANSWERS = "cpu_probe.json"

_answers: dict[str, bool] = {}  # by program; all of this process's CPU


@cache
def probe() -> None:
    """Let Inductor ask all that it wants to know, once, in a folder of its own: entries hold the
    answers, not the programs.
    """
    from torch._inductor.cpu_vec_isa import pick_vec_isa
    from torch._inductor.runtime.cache_dir_utils import temporary_cache_dir

    with temporary_cache_dir(tempfile.mkdtemp(prefix="isa-", dir=process_folder())):
        pick_vec_isa()


@contextlib.contextmanager
def answering() -> Iterator[None]:
    """Answer Inductor's questions from what is known, and keep the answers to the others.

    Order: one thread at a time, whose caller holds a lock; it changes a method of Inductor's.
    """
    from torch._inductor.cpu_vec_isa import VecISA

    ask: Callable[[Any, str], bool] = VecISA.check_build

    def answer(instructions: Any, program: str) -> bool:
        question = _question(instructions, program)
        if question not in _answers:
            _answers[question] = ask(instructions, program)
        return _answers[question]

    VecISA.check_build = answer
    try:
        yield
    finally:
        VecISA.check_build = ask


def save(folder: Path) -> None:
    """Write down the answers; where Inductor asked before anybody listened there are none."""
    (folder / ANSWERS).write_text(canonical_json(_answers), encoding="utf-8")


def learn(folder: Path) -> None:
    """Read the answers of whoever made an entry on such a CPU."""
    with contextlib.suppress(FileNotFoundError):  # code for GPUs comes without
        _answers.update(json.loads((folder / ANSWERS).read_text(encoding="utf-8")))


def _question(instructions: Any, program: str) -> str:
    flags = (str(instructions), instructions._arch_flags, instructions.build_arch_flags())
    return hashlib.sha256("\n".join((*flags, program)).encode()).hexdigest()
