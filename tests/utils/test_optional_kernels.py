"""What a package on the path really serves."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import pytest

from vllm.utils.optional_kernels import probe

PACKAGES = {
    "present": ("", "def turn(x, y): return x\n"),
    "no_submodule": ("", None),
    "no_symbol": ("", "def other(x): return x\n"),
    "other_signature": ("", "def turn(z): return z\n"),
    "broken_import": ("raise ImportError('libcudart.so.13: cannot open')\n", ""),
    "broken_binary": ("raise OSError('undefined symbol: _ZN3c10')\n", ""),
    "broken_otherwise": ("1 / 0\n", ""),
    "needs_another": ("import einops_that_is_absent\n", ""),
}
EXPECTED = {
    "present": "present",
    "no_submodule": "wrong version",
    "no_symbol": "wrong version",
    "other_signature": "wrong version",
    "broken_import": "broken",
    "broken_binary": "broken",
    "broken_otherwise": "broken",
    "needs_another": "broken",
    "nowhere": "absent",
}


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put one package of each kind on the path."""
    for name, (top, submodule) in PACKAGES.items():
        (tmp_path / f"kernels_{name}").mkdir()
        (tmp_path / f"kernels_{name}" / "__init__.py").write_text(top)
        if submodule is not None:
            (tmp_path / f"kernels_{name}" / "ops.py").write_text(submodule)
    monkeypatch.syspath_prepend(str(tmp_path))
    for module in [module for module in sys.modules if module.startswith("kernels_")]:
        monkeypatch.delitem(sys.modules, module)
    probe.cache_clear()


@pytest.mark.usefixtures("packages")
@pytest.mark.parametrize("name", EXPECTED)
def test_a_package_is_classified_by_its_symbol(name: str) -> None:
    """Being found proves nothing."""
    found = probe(f"kernels_{name}.ops", "turn", ("x",))
    assert found.state == EXPECTED[name], found.reason
    assert (found.call is not None) == (name == "present")


@pytest.mark.usefixtures("packages")
def test_what_is_wrong_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """Every layer asks; one line answers. A package that is not there is nothing wrong."""
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            probe("kernels_broken_binary.ops", "turn")
            probe("kernels_nowhere.ops", "turn")
    assert [record.getMessage() for record in caplog.records] == [
        "kernels_broken_binary.ops.turn: broken (OSError: undefined symbol: _ZN3c10); "
        "the native implementation serves"
    ]
