"""What extensions for several CPythons cost in CPU time: ours against one whole compile per Python.

The same sources, compilers and options in one run. Ours: the library once, then one thin extension
for each interpreter. The usual way: a build folder per interpreter, in which host and binding
sources are all compiled; the cubins, which a build of the whole library would repeat too, are
stated apart.

Units: CPU seconds (user and system) of the compilers and all that they start, as the kernel counts
them; other load of the machine moves them by some per cent, not by their ratio.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tools import console  # noqa: E402
from tools.errors import exit_with  # noqa: E402
from tools.interpreters import (  # noqa: E402
    Interpreter,
    find_interpreters,
    read_requires_python,
    supported_versions,
)

RESULTS = ROOT / "benchmarks" / "results"


@dataclass(frozen=True, kw_only=True)
class Cost:
    """CPU seconds of one way.

    Units: seconds; `shared` is paid once, `each` once for every interpreter, in their order.
    """

    way: str
    cubins: float
    shared: float
    each: tuple[float, ...]

    @property
    def extensions(self) -> float:
        """What all interpreters together add."""
        return sum(self.each)

    @property
    def total(self) -> float:
        """Everything, cubins too."""
        return self.cubins + self.shared + self.extensions


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure both ways, print a table, and write JSON and a plot under benchmarks/results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--python", action="append", default=[], metavar="VERSION")
    parser.add_argument("--json", action="store_true", help="print the result as JSON too")
    options = parser.parse_args(arguments)
    requires = read_requires_python(ROOT / "pyproject.toml")
    versions = options.python or supported_versions(requires)
    found = find_interpreters(versions, requires_python=requires).found
    with tempfile.TemporaryDirectory(prefix="build_cost-") as folder:
        costs = [measure_ours(found, Path(folder)), measure_usual(found, Path(folder))]
    show(costs, found)
    result = as_json(costs, found)
    write(result, costs)
    if options.json:
        print(json.dumps(result, indent=2))
    return 0


def measure_ours(interpreters: Sequence[Interpreter], folder: Path) -> Cost:
    """Build library and extensions in one folder, an extension at a time."""
    build = configure(folder / "ours", interpreters)
    with console.step("ours"):
        return Cost(
            way="one library, thin extensions",
            cubins=cpu_seconds(build, *cubins(build)),
            shared=cpu_seconds(build, "deep_gemm"),
            each=tuple(cpu_seconds(build, f"deep_gemm_{each.soabi}") for each in interpreters),
        )


def measure_usual(interpreters: Sequence[Interpreter], folder: Path) -> Cost:
    """Build all sources in a folder of its own for each interpreter."""
    cubin_seconds, each = 0.0, []
    for interpreter in interpreters:
        build = configure(folder / interpreter.series, [interpreter])
        with console.step(f"the usual way, {interpreter.series}"):
            cubin_seconds += cpu_seconds(build, *cubins(build))
            each.append(cpu_seconds(build, "deep_gemm", f"deep_gemm_{interpreter.soabi}"))
    return Cost(way="one compile per Python", cubins=cubin_seconds, shared=0.0, each=tuple(each))


def configure(build: Path, interpreters: Sequence[Interpreter]) -> Path:
    """Configure a build folder without a compiler cache; its own time is not measured."""
    paths = os.pathsep.join(str(each.executable) for each in interpreters)
    command = ["cmake", "--preset", "default", "-B", str(build), "-DCMAKE_CXX_COMPILER_LAUNCHER="]
    command += [f"-DDEEPGEMM_PYTHON_INTERPRETERS={paths}"]
    environ = {**os.environ, "DEEPGEMM_PYTHON_INTERPRETERS": ""}
    subprocess.run(command, cwd=ROOT, env=environ, check=True, stdout=subprocess.DEVNULL)
    return build


def cubins(build: Path) -> list[str]:
    """List the cubins that the folder can make."""
    command = ["ninja", "-C", str(build), "-t", "targets", "all"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    names = [line.partition(": ")[0] for line in listed.splitlines()]
    return [name for name in names if name.endswith(".cubin") and not Path(name).is_absolute()]


def cpu_seconds(build: Path, *targets: str) -> float:
    """Build targets and return the CPU time of all processes that it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = ["ninja", "-C", str(build), *targets]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def show(costs: Sequence[Cost], interpreters: Sequence[Interpreter]) -> None:
    """Print the table and the ratio that it is about."""
    names = ", ".join(each.series for each in interpreters)
    columns = ("way", "cubins", "shared", "extensions", "all")
    rows = [
        (c.way, *(f"{s:.2f}" for s in (c.cubins, c.shared, c.extensions, c.total))) for c in costs
    ]
    console.table(f"CPU seconds for CPython {names}", columns, rows)


def as_json(costs: Sequence[Cost], interpreters: Sequence[Interpreter]) -> dict[str, object]:
    """Return what was measured, with what it was measured on."""
    compiler = subprocess.run(["c++", "--version"], capture_output=True, text=True, check=False)
    commit = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    described = subprocess.run(commit, capture_output=True, text=True, check=False)
    return {
        "command": "nox -s bench -- build_cost",
        "commit": described.stdout.strip(),
        "compiler": compiler.stdout.partition("\n")[0],
        "cores": len(os.sched_getaffinity(0)),
        "interpreters": [each.version for each in interpreters],
        "ways": [
            {**asdict(cost), "extensions": cost.extensions, "total": cost.total} for cost in costs
        ],
    }


def write(result: dict[str, object], costs: Sequence[Cost]) -> None:
    """Write the result, and the plot where matplotlib is there."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "build_cost.json").write_text(json.dumps(result, indent=2) + "\n")
    try:
        from matplotlib import pyplot
    except ImportError:
        return
    figure, axes = pyplot.subplots(figsize=(8, 2.2), layout="constrained")
    left = [0.0 for _ in costs]
    for part in ("cubins", "shared", "extensions"):
        widths = [getattr(cost, part) for cost in costs]
        axes.barh([cost.way for cost in costs], widths, left=left, label=part)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    axes.invert_yaxis()
    axes.set_xlabel("CPU seconds")
    axes.legend(frameon=False, ncols=3, loc="upper right")
    pyplot.rcParams["svg.hashsalt"] = "build_cost"
    figure.savefig(RESULTS / "build_cost.svg", metadata={"Date": None})


if __name__ == "__main__":
    if shutil.which("ninja") is None:
        sys.exit("error: ninja: expected on PATH, found none; try: uvx nox -s bench -- build_cost")
    exit_with(main)
