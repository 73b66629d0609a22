"""`inv presets.*`: the presets of this machine, by tools/generate_cmake_presets.py."""

from __future__ import annotations

from invoke.context import Context
from invoke.tasks import task

from tools.errors import exit_with
from tools.generate_cmake_presets import main


def _tool(*arguments: str) -> None:
    exit_with(lambda: main([argument for argument in arguments if argument]))


@task
def write(
    _: Context,
    *,
    force_overwrite: bool = False,
    no_input: bool = False,
    python: str = "",
    nvcc: str = "",
    jobs: int = 0,
    build_type: str = "",
    cuda_arch: str = "",
    preset: str = "",
) -> None:
    """Write CMakeUserPresets.json for this machine; presets that you added stay."""
    values = {
        "--python": python,
        "--nvcc": nvcc,
        "--jobs": str(jobs or ""),
        "--build-type": build_type,
        "--cuda-arch": cuda_arch,
        "--preset": preset,
    }
    given = [f"{name}={value}" for name, value in values.items() if value]
    _tool("--force-overwrite" * force_overwrite, "--no-input" * no_input, *given)


@task
def show(_: Context) -> None:
    """Print the file that `presets.write` would write."""
    _tool("--print")


@task
def check(_: Context) -> None:
    """Say whether the presets still describe this machine; 71 where they do not."""
    _tool("--check")
