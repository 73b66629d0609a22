"""`python -m tools.incremental build|affected|stale`: the inner loop on the build folder.

`record` is CMake's: it writes down the inputs at the end of each configure.
"""

from __future__ import annotations

import argparse
import difflib
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tools.errors import exit_with
from tools.incremental.changes import changed_files, effects
from tools.incremental.errors import STALE_EXIT_CODE, NotConfiguredError, UnknownTargetError
from tools.incremental.graph import MANIFEST, Graph
from tools.incremental.inputs import Due, Record, Subjects, compare, most, record

ROOT = Path(__file__).resolve().parents[2]
ADVICE: dict[Due, str] = {
    "nothing": "current: nothing changed since configure",
    "build": "no clean build is due: cmake --build --preset {preset} --target install",
    "configure": "no clean build is due, configure again: cmake --preset {preset}",
    "clean": "a clean build is due: cmake --fresh --preset {preset}",
}


def main(arguments: Sequence[str] | None = None, *, root: Path = ROOT) -> int:
    """Run one command."""
    options = _parse(arguments, root)
    build: Path = options.build_folder
    if options.command == "record":
        return _record(options, root, build)
    if options.command == "stale":
        return _stale(options, root, build)
    if options.command == "affected":
        return _affected(options, root, build)
    return _build(options, root, build)


def _record(options: argparse.Namespace, root: Path, build: Path) -> int:
    """Print what went stale since the last configure; nothing where nothing did."""
    subjects = Subjects(python=options.python, compiler=options.compiler, nvcc=options.nvcc)
    changes = record(root, build, subjects)
    for change in changes:
        print(change.line())
    if most(changes) == "clean":
        print(ADVICE["clean"].format(preset=options.preset))
    return 0


def _stale(options: argparse.Namespace, root: Path, build: Path) -> int:
    """Print what changed since configure and what is due; 80 where more than a build is."""
    before = Record.load(build)
    if before is None:
        raise NotConfiguredError(
            f"{build}: expected the record of a configure, found none; "
            f"try: cmake --preset {options.preset}"
        )
    changes = compare(before, Record.take(root, before.subjects))
    due = most(changes)
    if options.json:
        print(json.dumps({"due": due, "changes": [asdict(change) for change in changes]}, indent=2))
    else:
        lines = [change.line() for change in changes]
        print("\n".join([*lines, ADVICE[due].format(preset=options.preset)]))
    return STALE_EXIT_CODE if due in {"configure", "clean"} else 0


def _affected(options: argparse.Namespace, root: Path, build: Path) -> int:
    """Print for each changed file what is made again."""
    found = effects(root, Graph.read(build), changed_files(root, options.diff))
    if options.json:
        print(json.dumps([effect.to_json() for effect in found], indent=2))
        return 0
    for effect in found:
        count = len(effect.outputs)
        made = f"{', '.join(effect.targets)} ({count} file{'s' * (count != 1)})"
        print(f"{effect.file}: {effect.note or made}")
    if not found:
        print("no file changed")
    return 0


def _build(options: argparse.Namespace, root: Path, build: Path) -> int:
    """Configure where nothing is configured or its cmake is gone, and build the target."""
    configured = (build / MANIFEST).is_file()
    target = _resolve(Graph.read(build), options.target) if configured else options.target
    commands = []
    if not configured or not _has_cmake(build):
        commands.append(["cmake", "--preset", options.preset])
    commands.append(["cmake", "--build", "--preset", options.preset, "--target", target])
    for command in commands:
        print(f"+ {shlex.join(command)}", file=sys.stderr, flush=True)
        if not options.dry_run:
            code = subprocess.run(command, cwd=root, check=False).returncode
            if code:
                return code
    return 0


def _has_cmake(build: Path) -> bool:
    """Whether the cmake that ninja configures with is still there: an isolated build's is not."""
    try:
        cache = (build / "CMakeCache.txt").read_text(encoding="utf-8")
    except OSError:
        return False
    found = re.search(r"^CMAKE_COMMAND:INTERNAL=(.*)$", cache, re.M)
    return found is not None and Path(found[1]).exists()


def _resolve(graph: Graph, target: str) -> str:
    """Return the target as ninja knows it: a name, a path, or the stem of one file.

    Raises: UnknownTargetError.
    """
    names = {graph.spell(output) for output in graph.inputs}
    stems = sorted(name for name in names if Path(name).stem == target and "." in name)
    if target in names or target in {"all", "install", "clean"}:
        return target
    cubins = [name for name in stems if name.endswith(".cubin")]
    if len(cubins or stems) == 1:
        return (cubins or stems)[0]
    known = {name for name in names if "/" not in name} | {
        Path(name).stem for name in names if name.endswith(".cubin")
    }
    near = ", ".join(difflib.get_close_matches(target, sorted(known), cutoff=0.4)) or "nothing near"
    raise UnknownTargetError(
        f"{target}: expected a target of {graph.build}, found {near}; "
        "`ninja -C build/cmake -t targets all` lists them"
    )


def _parse(arguments: Sequence[str] | None, root: Path) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.incremental", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--build-folder", type=Path, default=root / "build" / "cmake")
    common.add_argument("--preset", default="release", help="default: release")
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", parents=[common], help="build one target")
    build.add_argument("target", nargs="?", default="install", help="default: install")
    build.add_argument("--dry-run", action="store_true", help="print the commands")
    affected = commands.add_parser("affected", parents=[common], help="changed files -> targets")
    affected.add_argument(
        "--diff", metavar="A..B", default="", help="default: what is not committed"
    )
    stale = commands.add_parser("stale", parents=[common], help="what changed since configure")
    for reading in (affected, stale):
        reading.add_argument("--json", action="store_true", help="print data")
    recording = commands.add_parser("record", parents=[common], help="CMake's own")
    for name in ("--python", "--compiler", "--nvcc"):
        recording.add_argument(name, default="")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    exit_with(main)
