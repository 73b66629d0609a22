"""Where headers and libraries of CUDA come from."""

from __future__ import annotations

from pathlib import Path

from tools.upstream.cuda import Cuda


def touch(*files: Path) -> None:
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()


def test_the_toolkits_library_goes_before_that_of_wheels(tmp_path: Path) -> None:
    """What the toolkit lacks, here NVRTC, the wheels beside torch bring."""
    toolkit, packages = tmp_path / "cuda", tmp_path / "site-packages"
    touch(toolkit / "include" / "cuda.h", toolkit / "include" / "cccl" / "x")
    touch(toolkit / "lib64" / "libcudart.so", packages / "nvidia/cu13/lib/libcudart.so.13")
    touch(packages / "nvidia/cu13/lib/libnvrtc.so.13", packages / "nvidia/cu13/include/nvrtc.h")
    found = Cuda.find(toolkit / "include", packages)
    assert found.libraries == (
        toolkit / "lib64" / "libcudart.so",
        packages / "nvidia/cu13/lib/libnvrtc.so.13",
    )
    assert found.includes == (
        toolkit / "include",
        toolkit / "include" / "cccl",
        packages / "nvidia/cu13/include",
    )


def test_a_library_that_is_nowhere_is_left_out(tmp_path: Path) -> None:
    """The audit says which symbols miss it, if any does."""
    touch(tmp_path / "include" / "cuda.h")
    assert Cuda.find(tmp_path / "include", tmp_path / "packages").libraries == ()
