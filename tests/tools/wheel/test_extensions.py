"""Names: which CPythons a requires-python admits, and what serves them."""

from __future__ import annotations

import pytest

from tools.wheel.extensions import (
    RequiresPythonError,
    abi3_soabi,
    exact_soabi,
    expected_soabis,
    supported_minors,
)
from tools.wheel.policy import OURS


@pytest.mark.parametrize(
    ("requires_python", "minors"),
    [
        (">=3.10,<3.15", [10, 11, 12, 13, 14]),
        (">= 3.12 , < 3.14", [12, 13]),
        (">=3.11.4,<3.13", [11, 12]),
        (">=3.10,!=3.11.*,<3.13", [10, 12]),
        (">=3.10,!=3.11.2,<3.12", [10, 11]),
        ("~=3.13", [13, 14]),
        (">=3.14", [14]),
        ("==3.12.*", [12]),
    ],
)
def test_any_spelling_of_requires_python_is_understood(
    requires_python: str, minors: list[int]
) -> None:
    """Patch levels, exclusions and open bounds give the minor versions that they admit."""
    assert supported_minors(requires_python) == tuple((3, minor) for minor in minors)


@pytest.mark.parametrize("requires_python", ["", " ", ">=4", "3.10+", "<3.10,>3.12"])
def test_a_requires_python_that_admits_nothing_is_an_error(requires_python: str) -> None:
    """The error repeats what was given."""
    with pytest.raises(RequiresPythonError, match="requires-python"):
        supported_minors(requires_python)


def test_names_follow_the_soabi() -> None:
    """The file of an extension is the module's name with the SOABI."""
    assert exact_soabi((3, 12)) == "cpython-312-x86_64-linux-gnu"
    assert abi3_soabi((3, 10)) == "abi3-0x030A0000"
    assert expected_soabis(OURS, ((3, 12),)) == {
        "vllm/third_party/deep_gemm/_C.cpython-312-x86_64-linux-gnu.so": exact_soabi((3, 12)),
        "vllm/third_party/deep_gemm/_C.abi3.so": "abi3-0x030A0000",
    }
