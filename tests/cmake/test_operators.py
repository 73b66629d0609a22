"""The operators' extension: an object for each operator and version; torch found, not imported."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.cmake.tree import ROOT, Tree, lay_out, write_torch

EXTENSION = "operators/_C.abi3.so"
OBJECTS = "CMakeFiles/vllm_C.dir/csrc/ops"


def logged(tree: Tree) -> set[str]:
    """Build, and return what ninja's log says was made since: paths in the build folder."""
    log = tree.build / ".ninja_log"
    before = log.read_text().splitlines()
    done = tree.ninja()
    assert done.returncode == 0, done.stdout
    lines = log.read_text().splitlines()[len(before) :]
    return {line.split("\t")[3].removeprefix(f"{tree.build}/") for line in lines}


def edit(tree: Tree, name: str) -> None:
    file = tree.root / "csrc" / "ops" / name
    file.write_text(f"{file.read_text()}\n")


@pytest.mark.parametrize("room", ["cpu", "binding"])
def test_an_edited_operator_makes_its_object_and_the_link(built: Tree, room: str) -> None:
    """Ninja's log has nothing else, no kernel either."""
    edit(built, f"{room}/moe_permute.cpp")
    assert logged(built) == {f"{OBJECTS}/{room}/moe_permute.cpp.o", EXTENSION}


def test_an_edited_kernel_makes_its_object_and_the_link(built: Tree) -> None:
    """Nvcc runs once."""
    edit(built, "cuda/rotary_embedding.cu")
    made = {"operators/rotary_embedding.cu.o", "operators/rotary_embedding.cu.o.ptxas.txt"}
    assert logged(built) - made == {EXTENSION}


def test_a_header_makes_the_objects_that_include_it(built: Tree) -> None:
    """By the compilers' reports, nvcc's too."""
    edit(built, "shared/group_quant.hpp")
    names = ("per_token_group_quant_fp8", "silu_and_mul_per_token_group_quant_fp8")
    wanted = {f"{OBJECTS}/{room}/{name}.cpp.o" for room in ("cpu", "binding") for name in names}
    wanted |= {f"operators/{name}.cu.o" for name in names} | {EXTENSION}
    assert {made for made in logged(built) if not made.endswith(".txt")} == wanted


def test_each_operator_has_a_target_that_runs_its_tests(built: Tree) -> None:
    """It builds and installs first; the test file is there."""
    targets = built.ninja("-t", "targets", "all").stdout
    for source in (ROOT / "csrc" / "ops" / "cpu").glob("*.cpp"):
        assert f"test_{source.stem}: phony" in targets
        assert (ROOT / "tests" / "ops" / f"test_{source.stem}.py").is_file()
    commands = built.ninja("-t", "commands", "test_silu_and_mul").stdout.splitlines()
    assert [command for command in commands if EXTENSION in command]
    assert "--component _C" in commands[-1]
    assert "-m pytest tests/ops/test_silu_and_mul.py" in commands[-1]


def test_a_wheel_has_no_part_of_it(built: Tree, tmp_path: Path) -> None:
    """Neither its component nor the target that a wheel builds; the install has it."""
    built.install(tmp_path)
    assert not (tmp_path / "vllm" / "_C.abi3.so").exists()
    assert EXTENSION not in built.ninja("-t", "commands", "deep_gemm_C").stdout
    install = ["cmake", "--install", str(built.build), "--component", "_C"]
    command = [*install, "--prefix", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True)
    assert (tmp_path / "vllm" / "_C.abi3.so").is_file()


def test_a_build_from_an_environment_without_torch_leaves_them_as_they_are(built: Tree) -> None:
    """As an isolated `pip install -e .` configures: where torch was found is remembered."""
    done = built.configure(VLLM_TORCH_DIR="", PYTHONPATH=_hidden(built))
    assert "torch           2.11.0+cpu" in done.stdout
    assert "no work to do" in built.ninja().stdout


def test_another_torch_in_the_same_place_compiles_them_again(tmp_path: Path) -> None:
    """Though its headers be older than the objects; kernels know no torch and stay."""
    tree = lay_out(tmp_path)
    tree.configure()
    assert tree.ninja().returncode == 0
    write_torch(tmp_path / "torch", "2.12.0")
    assert "torch           2.12.0" in tree.configure().stdout
    made = logged(tree)
    assert f"{OBJECTS}/binding/module.cpp.o" in made
    assert not [name for name in made if ".cu.o" in name]


def test_without_torch_they_are_left_out(tmp_path: Path) -> None:
    """An older one does not count; DeepGEMM is built all the same."""
    tree = lay_out(tmp_path)
    write_torch(tmp_path / "torch", "2.9.1+cpu")
    done = tree.configure(PYTHONPATH=_hidden(tree))
    assert "Operators: left out, no torch of 2.11 or later" in done.stdout
    assert EXTENSION not in tree.ninja("-t", "targets", "all").stdout
    assert "libdeep_gemm.so" in tree.ninja("-t", "targets", "all").stdout


def test_without_nvcc_or_its_static_runtime_the_cpu_versions_are_built(tmp_path: Path) -> None:
    """The summary says so."""
    tree = lay_out(tmp_path)
    (tmp_path / "lib" / "libcudart_static.a").unlink()
    done = tree.configure()
    assert "devices         CPU (no libcudart_static.a beside" in done.stdout
    assert "rotary_embedding.cu.o" not in tree.ninja("-t", "targets", "all").stdout
    (tmp_path / "tools" / "nvcc").unlink()
    done = tree.configure("-DVLLM_TARGET_DEVICE=cpu")
    assert "devices         CPU\n" in done.stdout


def _hidden(tree: Tree) -> str:
    """A folder whose torch is none: a package without the headers."""
    (tree.root.parent / "hidden" / "torch").mkdir(parents=True, exist_ok=True)
    (tree.root.parent / "hidden" / "torch" / "__init__.py").touch()
    return str(tree.root.parent / "hidden")
