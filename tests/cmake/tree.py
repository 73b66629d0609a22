"""A miniature of the tree: our CMake files over sources of a line, and a stand-in of nvcc."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

from tests.scripts import python_script

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("CMakeLists.txt", "CMakePresets.json", "VERSION", "cmake", "tools")

# Answers what the tools ask; writes what ninja reads: a cubin of its arguments or an object, and a
# depfile.
FAKE_NVCC = """\
import os, pathlib, re, subprocess, sys

here = pathlib.Path(__file__).resolve().parent
arguments = sys.argv[1:]
if "--version" in arguments:
    sys.exit(print("Cuda compilation tools, release 13.0, V13.0.88"))
if "--dryrun" in arguments:
    sys.exit(print(f'#$ INCLUDES="-I{here}"', file=sys.stderr))

def value(flag):
    return arguments[arguments.index(flag) + 1]

def read(file, seen):
    if file not in seen:
        seen.append(file)
        for name in re.findall('#include "(.*)"', file.read_text()):
            read(pathlib.Path(value("-I"), name), seen)
    return seen

files = read(pathlib.Path(arguments[-1]), [])
text = "".join(file.read_text() for file in files)
if "#error" in text:
    sys.exit("error: asked for")
if "#warning" in text:
    print("warning: asked for", file=sys.stderr)
print("ptxas info    : Used 168 registers", file=sys.stderr)
definitions = [argument for argument in arguments if argument.startswith("-D")]
if "-c" in arguments:
    command = ["c++", "-fPIC", "-x", "c++", "-c", os.devnull, "-o", value("-o")]
    subprocess.run(command, check=True)
else:
    pathlib.Path(value("-o")).write_text(" ".join(definitions) + text)
names = " ".join(map(str, files))
pathlib.Path(value("-MF")).write_text(f"{value('-o')}: {names}\\n")
"""


@dataclass(frozen=True, kw_only=True)
class Tree:
    """A source tree with its build folder and an environment in which to configure it."""

    root: Path
    environ: dict[str, str]

    @property
    def source(self) -> Path:
        return self.root / "csrc" / "deep_gemm"

    @property
    def build(self) -> Path:
        return self.root / "build" / "cmake"

    def configure(self, *options: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return self._run(["cmake", "--preset", "default", *options], environ)

    def ninja(self, *options: str) -> subprocess.CompletedProcess[str]:
        return self._run(["ninja", "-C", str(self.build), *options], {})

    def rebuilt(self) -> set[str]:
        """Build, and return the files that were made."""
        before = self.outputs()
        done = self.ninja()
        assert done.returncode == 0, done.stdout
        return {name for name, made in self.outputs().items() if before.get(name) != made}

    def outputs(self) -> dict[str, int]:
        """The cubins, objects and binaries of the build folder, with the time of each."""
        files = [file for end in ("cubin", "o", "so") for file in self.build.rglob(f"*.{end}")]
        return {
            file.name: file.stat().st_mtime_ns for file in files if "CMakeScratch" not in file.parts
        }

    def edit(self, name: str, text: str) -> None:
        """Append a line to a source, at a time that a coarse clock tells from the last build."""
        file = self.source / name
        file.write_text(file.read_text() + text + "\n")

    def install(self, prefix: Path) -> set[str]:
        """Install into a prefix and return the names that lie there then."""
        done = self._run(
            [
                "cmake",
                "--install",
                str(self.build),
                "--component",
                "_deep_gemm_C",
                "--prefix",
                str(prefix),
            ],
            {},
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return {file.name for file in prefix.rglob("*.so")}

    def _run(self, command: list[str], environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.root,
            env={**self.environ, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )


def lay_out(folder: Path) -> Tree:
    """Write a miniature and the nvcc beside it."""
    tools, root = folder / "tools", folder / "checkout"
    root.mkdir()
    python_script(tools / "nvcc", FAKE_NVCC)
    (tools / "cuda.h").touch()
    (folder / "lib").mkdir()
    subprocess.run(["ar", "rc", folder / "lib" / "libcudart_static.a"], check=True)
    write_torch(folder / "torch")
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        copy(ROOT / name, root / name)
    tree = Tree(root=root, environ={**environment(tools), "VLLM_TORCH_DIR": str(folder / "torch")})
    write_sources(tree.source)
    write_operators(tree.root / "csrc" / "ops")
    return tree


def write_torch(folder: Path, version: str = "2.11.0+cpu") -> None:
    """What the build looks for in a torch: its version, a header of the stable interface."""
    header = folder / "include" / "torch" / "csrc" / "stable" / "library.h"
    header.parent.mkdir(parents=True, exist_ok=True)
    header.touch()
    (folder / "version.py").write_text(f"__version__ = '{version}'\n")


def write_operators(source: Path) -> None:
    """Lay out the file names of csrc/ops, without a line in any but a header that two include."""
    real = ROOT / "csrc" / "ops"
    for file in (file for file in real.rglob("*.*") if file.suffix in (".cpp", ".cu")):
        stub = source / file.relative_to(real)
        stub.parent.mkdir(parents=True, exist_ok=True)
        stub.write_text("")
    (source / "shared").mkdir()
    (source / "shared" / "group_quant.hpp").touch()
    for name in ("per_token_group_quant_fp8", "silu_and_mul_per_token_group_quant_fp8"):
        for path in (f"binding/{name}.cpp", f"cpu/{name}.cpp", f"cuda/{name}.cu"):
            (source / path).write_text('#include "shared/group_quant.hpp"\n')


def environment(tools: Path) -> dict[str, str]:
    """This process's environment, without what would steer the build, with our tools first."""
    steering = ("CUDACXX", "CUDA_HOME", "DEEPGEMM_", "CMAKE_", "VLLM_", "CXX", "CC", "PYTHON")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(steering)}
    path = [str(tools), str(Path(sys.executable).parent), kept["PATH"]]
    return {**kept, "PATH": os.pathsep.join(path), "PYTHONDONTWRITEBYTECODE": "1"}


def write_sources(source: Path) -> None:
    """Lay out the file names that the CMake files list, each with a line or two."""
    for file in (ROOT / "csrc" / "deep_gemm").rglob("*.cpp"):
        stub = source / file.relative_to(ROOT / "csrc" / "deep_gemm")
        stub.parent.mkdir(parents=True, exist_ok=True)
        stub.write_text("")
    contents = {
        "binding/module.cpp": "#include <Python.h>\nPyMODINIT_FUNC PyInit__C() { return {}; }\n",
        "shared/problem.hpp": "",
        "device/mainloop.cuh": "",
        "shared/gemm_configs.def": textwrap.dedent("""\
            // name, tile, stages
            DEEP_GEMM_CONFIG(small, 64, 2)
            DEEP_GEMM_CONFIG(large, 128, 4)
            """),
    }
    for file in (ROOT / "csrc" / "deep_gemm" / "aot").glob("*.cu"):
        contents[f"aot/{file.name}"] = '#include "shared/problem.hpp"\n'
    contents["aot/gemm.cu"] += '#include "device/mainloop.cuh"\n'
    for name, text in contents.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text)
