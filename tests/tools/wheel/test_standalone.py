"""The second wheel: the same package under another name, made of the first one's bytes."""

from __future__ import annotations

import email
import subprocess
import venv
import zipfile
from pathlib import Path

import pytest

from tests.tools.wheel.little_wheels import (
    FOLDER,
    built_files,
    good_files,
    needs_compiler,
    write_wheel,
)
from tools.wheel.audit import audit_wheel
from tools.wheel.installed import find_installed
from tools.wheel.policy import OURS, STANDALONE
from tools.wheel.reproducible import normalise
from tools.wheel.standalone import make_standalone

pytestmark = needs_compiler
DIST_INFO = "deep_gemm_hopper-1.0.dist-info"


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """A wheel of ours with a module of Python and a package inside of the package."""
    more = {f"{FOLDER}/gemm.py": b"from . import layout\n", f"{FOLDER}/utils/math.py": b"x = 1\n"}
    made = write_wheel(tmp_path, good_files() | more | {"vllm/envs.py": b""})
    normalise(made, 1_700_000_000)
    return made


def members(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_package_changes_its_folder_and_nothing_else(wheel: Path, tmp_path: Path) -> None:
    """Each file of the package is there with its bytes; what lies around it stays behind."""
    out = tmp_path / "out"
    out.mkdir()
    made = make_standalone(wheel, out, "# Described\n")
    assert made.name == wheel.name.replace("vllm_deepgemm", "deep_gemm_hopper")
    first, second = members(wheel), members(made)
    package = {name: data for name, data in first.items() if name.startswith(f"{FOLDER}/")}
    moved = {name.replace(FOLDER, "deep_gemm"): data for name, data in package.items()}
    assert {n: d for n, d in second.items() if not n.startswith(DIST_INFO)} == moved
    assert "deep_gemm/utils/math.py" in second


def test_the_metadata_name_the_other_distribution(wheel: Path, tmp_path: Path) -> None:
    """Version, licence and requires-python are those of the first wheel."""
    out = tmp_path / "out"
    out.mkdir()
    files = members(make_standalone(wheel, out, "# Described\n"))
    stated = email.message_from_bytes(files[f"{DIST_INFO}/METADATA"])
    assert (stated["Name"], stated["Version"]) == ("deep-gemm-hopper", "1.0")
    assert stated["Requires-Python"] == ">=3.10,<3.15"
    assert stated.get_payload() == "# Described\n"
    assert files[f"{DIST_INFO}/top_level.txt"] == b"deep_gemm\n"
    assert [name for name in files if "/sboms/" in name] == [
        f"{DIST_INFO}/sboms/deep-gemm-hopper.cdx.json"
    ]


def test_the_second_wheel_is_clean_under_its_own_policy(wheel: Path, tmp_path: Path) -> None:
    """Its own name says which that is; it is no wheel of the first kind."""
    out = tmp_path / "out"
    out.mkdir()
    made = make_standalone(wheel, out, "")
    assert audit_wheel(made).findings == ()
    assert audit_wheel(made, policy=OURS).findings


def test_the_same_wheel_gives_the_same_second_wheel(wheel: Path, tmp_path: Path) -> None:
    """Neither time nor folder is in its bytes."""
    made = []
    for name in ("one", "another"):
        (tmp_path / name).mkdir()
        made.append(make_standalone(wheel, tmp_path / name, "text").read_bytes())
    assert made[0] == made[1]
    with zipfile.ZipFile(
        tmp_path / "one" / wheel.name.replace("vllm_deepgemm", "deep_gemm_hopper")
    ) as archive:
        assert {info.date_time for info in archive.infolist()} == {(2023, 11, 14, 22, 13, 20)}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The package folder of an environment in which both wheels of this checkout are installed."""
    wheel = write_wheel(tmp_path, built_files())
    out = tmp_path / "out"
    out.mkdir()
    venv.create(tmp_path / "venv", with_pip=False)
    site = next((tmp_path / "venv").glob("lib/python*/site-packages"))
    for each in (wheel, make_standalone(wheel, out, "")):
        with zipfile.ZipFile(each) as archive:
            archive.extractall(site)
    return site


def run(site: Path, script: str) -> list[str]:
    """Return the lines that a script prints in the environment, away from the checkout."""
    python = str(site.parents[2] / "bin" / "python")
    done = subprocess.run(
        [python, "-I", "-c", script], capture_output=True, text=True, check=False, cwd=site
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_both_wheels_live_in_one_environment(site: Path, tmp_path: Path) -> None:
    """Installed side by side, imported in one process without torch, each from its own folder."""
    script = """
import sys, deep_gemm, vllm.third_party.deep_gemm as inner
assert "torch" not in sys.modules
assert deep_gemm._C.self_test() == inner._C.self_test()
assert deep_gemm.__all__ == inner.__all__
deep_gemm.set_num_sms(7)
assert inner.get_num_sms() == 7, "one libdeep_gemm.so serves both"
print(deep_gemm.__file__, inner.__file__, sep="\\n")
"""
    outer_file, inner_file = run(site, script)
    assert Path(outer_file) == site / "deep_gemm" / "__init__.py"
    assert Path(inner_file) == site / OURS.folder / "__init__.py"
    found = find_installed(STANDALONE, checkout=tmp_path, search_path=[str(site)])
    assert found.kind == "installed"


def test_both_take_the_tensors_of_a_torch_that_comes_later(site: Path) -> None:
    """Neither was compiled against it: it is read from the tensor's own type."""
    torch = pytest.importorskip("torch")
    (site / "torch.pth").write_text(f"{Path(torch.__file__).parents[1]}\n")
    script = """
import sys, deep_gemm, vllm.third_party.deep_gemm as inner
assert "torch" not in sys.modules
import torch
values = torch.zeros(4, 16).to(torch.float8_e4m3fn)
operands = (values, torch.ones(4, 1)), (values, torch.ones(1, 1)), torch.empty(4, 4)
for each in (deep_gemm, inner):
    try:
        each.fp8_gemm_nt(*operands)
    except ValueError as error:
        print(error)
"""
    assert run(site, script) == ["a: expected a CUDA tensor, got a CPU one"] * 2
