"""What a wheel of an upstream checkout says of itself."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.cmake.upstream import CXX, write_torch, write_upstream
from tools.interpreters.search import InterpreterUnusableError
from tools.upstream.checkout import Upstream
from tools.upstream.torch import Torch
from tools.upstream_wheel import UpstreamWheel

TORCH = Torch(folder=Path("torch"), version="2.13.0+cu130", cxx11_abi=1)
UPSTREAM = Upstream(folder=Path("DeepGEMM"), version="2.5.0", commit="891d57b4db1071624b5c")


def wheel(*minors: int) -> UpstreamWheel:
    return UpstreamWheel(upstream=UPSTREAM, torch=TORCH, minors=minors)


def test_the_version_says_what_was_built() -> None:
    """A local part, so that it is never taken for the wheel of csrc/deep_gemm."""
    assert wheel(12).version("0.1.0") == "0.1.0+upstream.2.5.0.g891d57b4d"
    assert wheel(12).requirement == "torch==2.13.0"


@pytest.mark.parametrize(
    ("minors", "tag", "admitted"),
    [
        ((12,), "cp312", {12}),
        ((10, 11, 12, 13), "cp310.cp311.cp312.cp313", {10, 11, 12, 13}),
        ((10, 13), "cp310.cp313", {10, 13}),
    ],
)
def test_tags_and_requires_python_admit_what_has_an_extension(
    minors: tuple[int, ...], tag: str, admitted: set[int]
) -> None:
    """No CPython before, between or after."""
    made = wheel(*minors)
    assert made.python_tag == tag
    admits = made.requires_python.contains
    assert {minor for minor in range(8, 16) if admits(f"3.{minor}.1")} == admitted


def test_the_environment_names_all_of_it(tmp_path: Path) -> None:
    """Without a checkout there is no such wheel; without a list it is for the build interpreter."""
    if CXX is None:
        pytest.skip("needs a C++ compiler on PATH")
    assert UpstreamWheel.from_environment({}) is None
    environ = {
        "DEEPGEMM_SRC_DIR": str(write_upstream(tmp_path / "DeepGEMM")),
        "DEEPGEMM_TORCH": str(write_torch(tmp_path / "torch")),
    }
    made = UpstreamWheel.from_environment(environ)
    assert made is not None
    assert made.minors == (sys.version_info[1],)
    twice = os.pathsep.join([sys.executable, sys.executable, ""])
    again = UpstreamWheel.from_environment(environ | {"DEEPGEMM_PYTHON_INTERPRETERS": twice})
    assert again == made
    with pytest.raises(InterpreterUnusableError, match=r"/nowhere: expected a CPython"):
        UpstreamWheel.from_environment(environ | {"DEEPGEMM_PYTHON_INTERPRETERS": "/nowhere"})
