"""The inputs of a configured build folder that ninja cannot see, as recorded and as they are."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

Due = Literal["nothing", "build", "configure", "clean"]
ORDER: tuple[Due, ...] = ("nothing", "build", "configure", "clean")
# What has to be done about a change. Ninja compares times and commands: it does not see that a
# compiler was replaced in its place, or that pip unpacked older headers over newer ones.
CONSEQUENCES: Mapping[str, Due] = {
    "branch": "build",  # files that differ have new times
    "pins": "configure",
    "python": "configure",
    "torch": "configure",
    "nvcc": "configure",  # its version is an input of each cubin, written by the configure step
    "compiler": "clean",  # CMake asks it once and never again
    "checkout": "clean",  # CMake refuses a folder that was configured elsewhere
}
# CMake --fresh removes this folder, and with it what the objects were made of.
RECORD = Path("CMakeFiles/vllm_inputs.json")
NVCC_STAMP = Path("inputs/nvcc.txt")
QUESTION = (
    "import importlib.metadata as m, json, sys; found = list(m.distributions(name='torch')); "
    "print(json.dumps([sys.version.split()[0], found[0].version if found else 'none']))"
)
ANSWER_LIMIT_S = 30.0


@dataclass(frozen=True, kw_only=True)
class Subjects:
    """Whom to ask: the executables that this folder was configured with."""

    python: str
    compiler: str
    nvcc: str  # empty for the CPU parts


@dataclass(frozen=True, kw_only=True)
class Record:
    """Subjects and what they answered, by the name of the input."""

    subjects: Subjects
    inputs: Mapping[str, str]

    @classmethod
    def take(cls, root: Path, subjects: Subjects) -> Record:
        """Ask for every input as it is now."""
        python, torch = _ask_python(subjects.python)
        inputs = {
            "branch": _say("git", "-C", str(root), "rev-parse", "--abbrev-ref", "HEAD"),
            "pins": _pins(root),
            "python": python,
            "torch": torch,
            "nvcc": _nvcc(subjects.nvcc) if subjects.nvcc else "none",
            "compiler": _say(subjects.compiler, "--version").partition("\n")[0],
            "checkout": str(root),
        }
        return cls(subjects=subjects, inputs=inputs)

    @classmethod
    def load(cls, build: Path) -> Record | None:
        """Return what the last configure recorded; None where there is nothing to trust."""
        try:
            found = json.loads((build / RECORD).read_text(encoding="utf-8"))
            inputs = {name: str(found["inputs"][name]) for name in CONSEQUENCES}
            return cls(subjects=Subjects(**found["subjects"]), inputs=inputs)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def store(self, build: Path) -> None:
        """Write the record, and for ninja the version of nvcc if it is another one."""
        stamp = build / NVCC_STAMP
        if not stamp.exists() or stamp.read_text(encoding="utf-8") != self.inputs["nvcc"]:
            _publish(stamp, self.inputs["nvcc"])
        _publish(build / RECORD, json.dumps(asdict(self), indent=1))


@dataclass(frozen=True, kw_only=True)
class Change:
    """An input that differs, and what is due because of it."""

    name: str
    before: str
    now: str
    due: Due

    def line(self) -> str:
        """Spell it for a log."""
        return f"{self.name}: {self.before or 'none'} -> {self.now or 'none'} ({self.due})"


def compare(before: Record, now: Record) -> list[Change]:
    """List the inputs that differ, in the order of the table."""
    return [
        Change(name=name, before=before.inputs[name], now=now.inputs[name], due=due)
        for name, due in CONSEQUENCES.items()
        if before.inputs[name] != now.inputs[name]
    ]


def most(changes: list[Change]) -> Due:
    """Return what is due because of all of them."""
    return max((change.due for change in changes), key=ORDER.index, default="nothing")


def record(root: Path, build: Path, subjects: Subjects) -> list[Change]:
    """Record the inputs and return what is different from the last time.

    What needs a clean build stays as it was recorded until there is one: objects made of it are
    still there.
    """
    before, now = Record.load(build), Record.take(root, subjects)
    changes = compare(before, now) if before else []
    owed = {change.name: change.before for change in changes if change.due == "clean"}
    Record(subjects=subjects, inputs={**now.inputs, **owed}).store(build)
    return changes


def _pins(root: Path) -> str:
    """Return the requirements that the build is pinned to."""
    found = []
    for name, section in (
        ("pyproject.toml", r"\[build-system\](.*?)\n\["),
        ("tools/toolchain/wheels.py", "(.*)"),
    ):
        path = root / name
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        block = re.search(section, text, re.S)
        found += re.findall(r'"([\w.-]+[=<>~!]=?[^"]*)"', block[1]) if block else []
    return ", ".join(found)


def _ask_python(python: str) -> tuple[str, str]:
    answer = _say(python, "-I", "-c", QUESTION)
    try:
        version, torch = json.loads(answer)
    except ValueError:
        return "no answer", "none"
    return str(version), str(torch)


def _nvcc(nvcc: str) -> str:
    """Return the build that nvcc says it is."""
    release = re.search(r"release .*", _say(nvcc, "--version"))
    return release[0] if release else "no answer"


def _say(*command: str) -> str:
    """Return what a command prints, empty where it fails."""
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=ANSWER_LIMIT_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""


def _publish(path: Path, text: str) -> None:
    """Replace a file whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
