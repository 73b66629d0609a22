"""What a change makes stale, and nothing else."""

from __future__ import annotations

import sysconfig
from pathlib import Path

from tests.cmake.tree import Tree

SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")
LIBRARY = {"deep_gemm_cubins.S.o", "libdeep_gemm.so"}


def test_nothing_is_done_when_nothing_changed(built: Tree) -> None:
    """A second build finds no work."""
    assert "no work to do" in built.ninja().stdout


def test_a_device_header_makes_only_the_cubins_that_include_it(built: Tree) -> None:
    """The depfile of each cubin is exact, and the extensions are not linked again."""
    built.edit("device/mainloop.cuh", "// changed")
    assert built.rebuilt() == {"gemm_small.cubin", "gemm_large.cubin"} | LIBRARY


def test_a_binding_source_makes_only_its_objects_and_extensions(built: Tree) -> None:
    """No host object, no cubin and no library is made."""
    built.edit("binding/module.cpp", "// changed")
    assert built.rebuilt() == {"unity_0_cxx.cxx.o", f"_C{SUFFIX}", "_C.abi3.so"}


def test_a_host_source_makes_one_object_and_the_library(built: Tree) -> None:
    """The extensions are linked to the library by name and stay."""
    built.edit("host/settings.cpp", "int changed;")
    assert built.rebuilt() == {"settings.cpp.o", "libdeep_gemm.so"}


def test_a_row_of_the_table_makes_one_cubin(built: Tree) -> None:
    """A new configuration compiles itself alone; the table is an input of the configure step."""
    built.edit("shared/gemm_configs.def", "DEEP_GEMM_CONFIG(wide, 256, 3)")
    assert built.rebuilt() == {"gemm_wide.cubin"} | LIBRARY
    table = built.source / "shared" / "gemm_configs.def"
    table.write_text(table.read_text().replace("wide, 256, 3", "wide, 256, 4"))
    assert built.rebuilt() == {"gemm_wide.cubin"} | LIBRARY
    assert r"-DDEEP_GEMM_CONFIG_ARGS=256\,4" in (built.build / "cubins/gemm_wide.cubin").read_text()


def test_no_command_names_cmake_or_the_checkout_of_a_cubin(built: Tree) -> None:
    """An isolated environment moves cmake at each build: its path in a command makes all stale."""
    commands = built.ninja("-t", "commands", "all").stdout.splitlines()
    assert commands
    assert not [command for command in commands if "bin/cmake" in command]
    cubins = [command for command in commands if "-cubin" in command]
    assert cubins
    assert not [command for command in cubins if str(built.source) in command]


def test_what_ptxas_reports_is_kept_and_not_shown(built: Tree) -> None:
    """The log is free of it; a warning of the compiler is shown."""
    built.edit("device/mainloop.cuh", "#warning")
    shown = built.ninja().stdout
    assert "warning: asked for" in shown
    assert "ptxas info" not in shown
    report = (built.build / "cubins" / "gemm_small.cubin.ptxas.txt").read_text()
    assert "Used 168 registers" in report
    built.edit("device/mainloop.cuh", "#error")
    failed = built.ninja()
    assert failed.returncode != 0
    assert "error: asked for" in failed.stdout
    header = built.source / "device" / "mainloop.cuh"
    header.write_text("")
    assert built.ninja().returncode == 0


def test_an_interpreter_that_left_takes_its_extension_along(built: Tree, tmp_path: Path) -> None:
    """The install removes what an earlier list put there and leaves all else."""
    folder = tmp_path / "vllm" / "third_party" / "deep_gemm"
    folder.mkdir(parents=True)
    for name in ("_C.cpython-39-x86_64-linux-gnu.so", "other.so"):
        (folder / name).touch()
    assert built.install(tmp_path) == {"other.so", "libdeep_gemm.so", f"_C{SUFFIX}", "_C.abi3.so"}
