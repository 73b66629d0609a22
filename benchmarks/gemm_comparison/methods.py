"""Who is measured: our kernels, DeepGEMM's where it is importable as `deep_gemm`, torch's.

Each has its own settings: programmatic dependent launch (PDL) is on in ours and off in DeepGEMM's.
Where that is asked for also the other way round, and ours with weights that are read before the
last kernel has ended (early).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch

from benchmarks.gemm_comparison.operands import Library, Operands, error
from benchmarks.gemm_comparison.torch_calls import Call
from vllm.third_party import deep_gemm as ours

# What launches may be set to, by the names of a library's settings.
LAUNCHES: dict[str, Mapping[str, bool]] = {
    "usual": {},
    "plain": {"pdl": False},
    "pdl": {"pdl": True},
    "early": {"pdl": True, "early_weights": True},
}
# A bf16 result is off by 1.7e-3, its rounding; a wrong one by far more.
LARGEST_ERROR = 5e-3


@dataclass(frozen=True, kw_only=True)
class Method:
    """A column of the table; `library` has DeepGEMM's functions, None stands for torch."""

    name: str
    library: Library | None
    settings: Mapping[str, bool] = field(default_factory=dict)  # of the library, one of LAUNCHES

    def call(self, given: Operands) -> Call:
        """Return the call on these operands."""
        return given.through_torch() if self.library is None else given.through(self.library)

    @contextmanager
    def set(self) -> Iterator[None]:
        """Let launches inside have the method's settings; a captured one keeps them."""
        before = {name: getattr(self.library, f"get_{name}")() for name in self.settings}
        self._set(self.settings)
        try:
            yield
        finally:
            self._set(before)

    def _set(self, settings: Mapping[str, bool]) -> None:
        for name, value in settings.items():
            getattr(self.library, f"set_{name}")(value)


def deep_gemm_here() -> Library | str:
    """Return DeepGEMM, or why it is not there: it also fails to import where there is no nvcc."""
    try:
        import deep_gemm
    except Exception as failure:
        return first_line(failure)
    return deep_gemm


def first_line(failure: Exception) -> str:
    return (str(failure) or repr(failure)).splitlines()[0]


def all_methods(*, pdl: bool = False) -> list[Method]:
    """Return what can be measured here; what cannot is said."""
    methods = [Method(name="ours", library=ours)]
    peer = deep_gemm_here()
    if isinstance(peer, str):
        print(f"deep_gemm: not measured ({peer})", file=sys.stderr)
    else:
        methods.append(Method(name="deep_gemm", library=peer))
    methods.append(Method(name="torch", library=None))
    if not pdl:
        return methods
    if not isinstance(peer, str):
        methods.append(Method(name="deep_gemm_pdl", library=peer, settings=LAUNCHES["pdl"]))
    for launch in ("plain", "early"):
        methods.append(Method(name=f"ours_{launch}", library=ours, settings=LAUNCHES[launch]))
    return methods


def right_ones(methods: Sequence[Method], given: Operands) -> list[Method]:
    """Return the methods whose result on these operands agrees with float64."""
    reference = given.reference()
    return [method for method in methods if is_right(method, given, reference)]


def is_right(method: Method, given: Operands, reference: Sequence[torch.Tensor]) -> bool:
    """Whether a method computes this problem, and right; what it does not is said."""
    given.d.fill_(math.nan)
    try:
        with method.set():
            result = method.call(given)()
        found = error(given, result, reference)
    except Exception as failure:
        print(f"{method.name}: not measured ({first_line(failure)})", file=sys.stderr)
        return False
    if found < LARGEST_ERROR:
        return True
    print(f"{method.name}: not measured (relative error {found:.1e})", file=sys.stderr)
    return False
