"""The choice of nvcc: what a person named is taken or refused, what lies around is passed over."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tools.toolchain import toolkit, wheels
from tools.toolchain.toolkit import (
    NoToolkitError,
    UnfitToolkitError,
    find_toolkit,
    missing_requirements,
    require_toolkit,
)


def fake_nvcc(home: Path, release: str = "13.0", *, header: bool = True) -> Path:
    """An nvcc that answers as a release does, with or without its headers."""
    (home / "include").mkdir(parents=True)
    if header:
        (home / "include" / "cuda.h").touch()
    nvcc = home / "bin" / "nvcc"
    nvcc.parent.mkdir()
    nvcc.write_text(
        "#!/bin/sh\n"
        f'case $1 in --version) echo "release {release}, V{release}.1";;\n'
        f"*) echo '#$ INCLUDES=\"-I{home}/include\"  ' >&2;; esac\n"
    )
    nvcc.chmod(0o755)
    return nvcc


@pytest.fixture(autouse=True)
def no_wheels(monkeypatch: pytest.MonkeyPatch) -> None:
    """This environment's own packages are none of these tests' business."""
    monkeypatch.setattr(sys, "path", [folder for folder in sys.path if "packages" not in folder])


def test_the_nearest_wish_wins(tmp_path: Path) -> None:
    """An argument comes before CUDACXX, that before CUDA_HOME, that before PATH."""
    named, cxx, home, path = (fake_nvcc(tmp_path / name) for name in ("a", "b", "c", "d"))
    environ = {"PATH": str(path.parent)}
    for nvcc, origin, more in (
        (path, "PATH", {}),
        (home, "CUDA_HOME", {"CUDA_HOME": str(home.parents[1])}),
        (cxx, "CUDACXX", {"CUDACXX": str(cxx)}),
    ):
        environ |= more
        found = require_toolkit(tmp_path, environ)
        assert (found.nvcc, found.origin) == (nvcc, origin)
    found = require_toolkit(tmp_path, environ, str(named))
    assert (found.nvcc, found.origin, found.release) == (named, "DEEPGEMM_NVCC", (13, 0))
    assert found.include == tmp_path / "a" / "include"


def test_a_torch_comes_before_path_and_packages_after_it(tmp_path: Path) -> None:
    """The order of the presets' generator: a wish, torch's toolkit, PATH, wheels."""
    wheel = fake_nvcc(tmp_path / "packages" / wheels.FOLDER)
    path, torch, home = (fake_nvcc(tmp_path / name) for name in ("a", "b", "c"))
    environ: dict[str, str] = {}
    packages = [tmp_path / "packages"]
    found = find_toolkit(tmp_path, environ, packages=packages)
    assert found is not None
    assert (found.nvcc, found.origin) == (wheel, "wheels")
    environ["PATH"] = str(path.parent)
    found = find_toolkit(tmp_path, environ, packages=packages)
    assert found is not None
    assert found.nvcc == path
    found = find_toolkit(tmp_path, environ, torch=[Path("/nowhere/nvcc"), torch])
    assert found is not None
    assert (found.nvcc, found.origin) == (torch, "torch")
    environ["CUDA_HOME"] = str(home.parents[1])
    found = find_toolkit(tmp_path, environ, torch=[torch])
    assert found is not None
    assert found.nvcc == home
    with pytest.raises(UnfitToolkitError, match="--nvcc=/nowhere/nvcc"):
        find_toolkit(tmp_path, environ, "/nowhere/nvcc", named_by="--nvcc")


@pytest.mark.parametrize(
    ("release", "header", "reason"),
    [("12.4", True, "found release 12.4"), ("13.0", False, "found no cuda.h in")],
)
def test_a_named_toolkit_that_does_not_serve_is_refused(
    tmp_path: Path, release: str, header: bool, reason: str
) -> None:
    """There is no silent fall-back from what a person asked for."""
    nvcc = fake_nvcc(tmp_path / "old", release, header=header)
    good = fake_nvcc(tmp_path / "good")
    with pytest.raises(UnfitToolkitError, match=reason):
        find_toolkit(tmp_path, {"PATH": str(good.parent), "CUDACXX": str(nvcc)})


def test_a_named_nvcc_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """The message names the variable and the path."""
    with pytest.raises(UnfitToolkitError, match=r"CUDA_HOME=/nowhere/bin/nvcc: .*No such file"):
        find_toolkit(tmp_path, {"CUDA_HOME": "/nowhere"})


def test_an_old_nvcc_on_path_is_passed_over_for_the_wheels(tmp_path: Path) -> None:
    """What only lies around is no wish; the kept copy of the wheels serves."""
    old = fake_nvcc(tmp_path / "old", "11.8")
    assert missing_requirements(tmp_path, {"PATH": str(old.parent)}) == list(wheels.REQUIREMENTS)
    kept = fake_nvcc(tmp_path / wheels.KEPT)
    assert require_toolkit(tmp_path, {"PATH": str(old.parent)}).nvcc == kept
    assert missing_requirements(tmp_path, {"PATH": str(old.parent)}) == []


def test_without_a_toolkit_the_error_says_what_was_seen_and_what_to_try(tmp_path: Path) -> None:
    """One message: expected, found, the next command."""
    old = fake_nvcc(tmp_path / "old", "11.8")
    with pytest.raises(NoToolkitError) as caught:
        require_toolkit(tmp_path, {"PATH": str(old.parent)})
    assert f"{old} (PATH: release 11.8)" in str(caught.value)
    assert "uv pip install nvidia-cuda-nvcc==" in str(caught.value)


def test_an_nvcc_that_hangs_does_not_hang_the_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dead mount or a shim that asks a network is told by its silence."""
    monkeypatch.setattr(toolkit, "ANSWER_LIMIT_S", 0.05)
    nvcc = tmp_path / "nvcc"
    nvcc.write_text("#!/bin/sh\nexec sleep 5\n")
    nvcc.chmod(0o755)
    with pytest.raises(UnfitToolkitError, match=r"no answer in 0\.05 s"):
        find_toolkit(tmp_path, {"CUDACXX": str(nvcc)})


def test_a_file_that_is_no_nvcc_is_refused(tmp_path: Path) -> None:
    """Without a release in its answer it is not one."""
    with pytest.raises(UnfitToolkitError, match="no release in its answer"):
        find_toolkit(tmp_path, {"CUDACXX": "/bin/true"})
