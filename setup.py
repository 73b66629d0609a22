"""Build the distribution: CMake compiles, setuptools packs; docs/build.md says how to steer it."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from setuptools import Distribution, Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT))  # a build frontend does not put the source tree on the path

from tools.errors import ToolError  # noqa: E402
from tools.interpreters.probe import find_base  # noqa: E402
from tools.precompiled_install import (  # noqa: E402
    extract_precompiled_and_patch_package,
    is_wanted,
    precompiled_version,
)
from tools.said_once import run  # noqa: E402
from tools.toolchain import keep, missing_requirements, require_toolkit  # noqa: E402
from tools.turn import turn  # noqa: E402
from tools.upstream_wheel import SOURCE, UpstreamWheel  # noqa: E402
from tools.wheel.platform_tag import platform_tag  # noqa: E402
from tools.wheel.policy import UPSTREAM  # noqa: E402
from tools.wheel.reproducible import normalise  # noqa: E402
from tools.wheel.sbom import add_sbom  # noqa: E402

# The first time that a zip can hold, for sources whose time neither git nor the environment knows.
EPOCH_OF_AN_ARCHIVE = 315532800
VERSION = (ROOT / "VERSION").read_text().strip()
PRECOMPILED = is_wanted()
REFUSED_IN_CHECKOUT = (
    f"error: {SOURCE}={os.environ.get(SOURCE)}: an editable install would write upstream's files "
    f"over source-controlled ones of the same names in {UPSTREAM.folder}; nothing was written. "
    "Build a wheel (nox -s build_deepgemm -- --source DIR), or unset it for csrc/deep_gemm"
)


class deepgemm_distribution(Distribution):  # noqa: N801 - as its neighbours
    """The distribution of pyproject.toml, with what a wheel of an upstream checkout states."""

    upstream: UpstreamWheel | None = None

    def parse_config_files(self, *arguments: Any, **options: Any) -> None:
        """Read pyproject.toml, then narrow it to the interpreters and the torch of the build."""
        super().parse_config_files(*arguments, **options)
        self.upstream = None if PRECOMPILED else UpstreamWheel.from_environment(os.environ)
        if self.upstream:
            self.metadata.version = self.upstream.version(VERSION)
            self.metadata.python_requires = self.upstream.requires_python
            self.metadata.install_requires = self.install_requires = [self.upstream.requirement]


class cmake_build_ext(build_ext):  # noqa: N801 - the name that precompiled installs look for
    """Compile all extensions with CMake, into the wheel's tree or beside their Python files."""

    def run(self) -> None:
        """Configure, build and install; the build folder persists, so that this is incremental."""
        in_checkout = self.inplace or self.editable_mode
        upstream = self.distribution.upstream
        if upstream and in_checkout:
            raise SystemExit(REFUSED_IN_CHECKOUT)
        if upstream:  # its Python files are not beside ours but in their place
            shutil.rmtree(Path(self.build_lib, UPSTREAM.folder), ignore_errors=True)
        ninja = Path(find_tool("ninja"))
        brought = [str(ninja.parent)] if ninja.is_absolute() else []
        environ = {**os.environ, "PATH": os.pathsep.join([*brought, os.environ.get("PATH", "")])}
        torch = find_spec("torch")  # none in an isolated environment
        if torch is not None and torch.submodule_search_locations:
            environ.setdefault("VLLM_TORCH_DIR", torch.submodule_search_locations[0])
        for command in self.commands(None if in_checkout else Path(self.build_lib).resolve()):
            code = run(command, folder=ROOT, environ=environ)
            if code:
                raise SystemExit(f"error: {shlex.join(command)}: exit code {code}")

    def commands(self, staging: Path | None) -> Iterator[list[str]]:
        """Yield CMake's commands: all into the checkout, or what a wheel holds into its tree.

        No path of an isolated environment stays in the build folder.
        """
        cmake = find_tool("cmake")
        toolkit = require_toolkit(ROOT, os.environ, os.environ.get("DEEPGEMM_NVCC", ""))
        upstream = self.distribution.upstream
        yield [
            *(cmake, "--preset", "default", *(["--fresh"] if has_moved() else [])),
            f"-DVLLM_PYTHON_EXECUTABLE={find_base(sys.executable)}",
            f"-DDEEPGEMM_NVCC={keep(ROOT, toolkit.nvcc)}",
            f"-DDEEPGEMM_PYTHON_INTERPRETERS={os.environ.get('DEEPGEMM_PYTHON_INTERPRETERS', '')}",
            f"-DDEEPGEMM_SRC_DIR={upstream.upstream.folder if upstream else ''}",
            f"-DDEEPGEMM_TORCH={upstream.torch.folder if upstream else ''}",
        ]
        target = [] if staging is None else ["--target", "deep_gemm_C"]
        yield [cmake, "--build", "--preset", "default", *target]
        for component in ("_deep_gemm_C", "_C") if staging is None else ("_deep_gemm_C",):
            install = [cmake, "--install", "build/cmake", "--component", component, "--strip"]
            yield [*install, "--prefix", str(staging or ROOT)]

    def get_outputs(self) -> list[str]:
        """Name no file: CMake knows them, and the wheel takes the whole tree."""
        return []

    def get_output_mapping(self) -> dict[str, str]:
        """Map no file: an editable install finds the binaries beside their Python files."""
        return {}


class precompiled_build_ext(cmake_build_ext):  # noqa: N801 - as its neighbours
    """Take the extensions from the wheel that the environment names, instead of compiling."""

    def run(self) -> None:
        """Install into the checkout; a wheel's tree gets copies from there."""
        installed = extract_precompiled_and_patch_package(None)
        if self.inplace or self.editable_mode:
            return
        for package, names in installed.items():
            folder = Path(*package.split("."))
            self.mkpath(str(Path(self.build_lib, folder)))
            for name in names:
                self.copy_file(str(ROOT / folder / name), str(Path(self.build_lib, folder, name)))


class abi3_wheel(bdist_wheel):  # noqa: N801 - as setuptools spells its commands
    """Pack one wheel for every CPython (decision 9), the same bytes for the same commit."""

    def run(self) -> None:
        """Stage into an empty tree, pack, then rewrite the archive in a fixed form."""
        # What an earlier or interrupted build left there must not be packed.
        for leftover in (self.get_finalized_command("build").build_lib, self.bdist_dir):
            shutil.rmtree(leftover, ignore_errors=True)
        super().run()
        normalise(Path(self.distribution.dist_files[-1][2]), epoch())

    def write_wheelfile(self, wheelfile_base: str, *generator: str) -> None:
        """Add the bill of materials beside WHEEL: all that is packed lies there by now."""
        super().write_wheelfile(wheelfile_base, *generator)
        add_sbom(Path(self.bdist_dir), Path(wheelfile_base), epoch())

    def get_tag(self) -> tuple[str, str, str]:
        """Read the platform from the staged binaries; an editable install stages none."""
        # A foreign wheel's binaries make no promise for other interpreters: setuptools' own tag.
        binaries = [] if PRECOMPILED else sorted(Path(self.bdist_dir).rglob("*.so"))
        if not binaries:
            tag: tuple[str, str, str] = super().get_tag()
            return tag
        upstream = self.distribution.upstream
        if upstream:
            platform = platform_tag(binaries, UPSTREAM.brought)
            return upstream.python_tag, upstream.python_tag, platform
        return "cp310", "abi3", platform_tag(binaries)


def find_tool(name: str) -> str:
    """Return the executable that a build requirement brought, else the machine's own."""
    try:
        brought = [file for file in metadata.files(name) or () if file.name == name]
    except metadata.PackageNotFoundError:
        return name
    return str(brought[0].locate()) if brought else name


def has_moved() -> bool:
    """Whether the build folder came here with a copied or renamed checkout, which CMake refuses."""
    cache = ROOT / "build" / "cmake" / "CMakeCache.txt"
    lines = cache.read_text().splitlines() if cache.is_file() else []
    homes = [line.partition("=")[2] for line in lines if line.startswith("CMAKE_HOME_DIRECTORY:")]
    return any(Path(home).resolve() != ROOT for home in homes)


def epoch() -> int:
    """Return the time of the sources: SOURCE_DATE_EPOCH, else the commit's, else a constant."""
    if "SOURCE_DATE_EPOCH" in os.environ:
        return int(os.environ["SOURCE_DATE_EPOCH"])
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        return EPOCH_OF_AN_ARCHIVE
    command = [git, "log", "-1", "--format=%ct"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return int(answer.stdout) if answer.returncode == 0 else EPOCH_OF_AN_ARCHIVE


build_command = precompiled_build_ext if PRECOMPILED else cmake_build_ext
try:
    with turn(ROOT / "build" / ".setup.lock"):  # CMake's folder and setuptools' trees are shared
        setup(
            version=precompiled_version(VERSION) if PRECOMPILED else VERSION,
            ext_modules=[Extension("vllm.third_party.deep_gemm._C", sources=[])],
            distclass=deepgemm_distribution,
            cmdclass={"build_ext": build_command, "bdist_wheel": abi3_wheel},
            setup_requires=[] if PRECOMPILED else missing_requirements(ROOT, os.environ),
        )
except ToolError as error:
    raise SystemExit(f"error: {error}") from None
