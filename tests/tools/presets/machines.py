"""Machines that a test can have: folders that look as Linux's accounts do, and a small checkout."""

from __future__ import annotations

import io
import json
import shutil
import sys
from pathlib import Path

from tools.generate_cmake_presets import main
from tools.presets.machine import Machine
from tools.presets.questions import Questions

ROOT = Path(__file__).resolve().parents[3]
GIB = 1 << 30
SILENT = Questions(answers=io.StringIO(), allowed=False)
LAPTOP = Machine(cores=2, memory=24 * GIB)


def typing(text: str) -> Questions:
    """A person who types this at a terminal, and then ends the input."""
    return Questions(answers=io.StringIO(text), allowed=True)


def linux(folder: Path, files: dict[str, str]) -> Path:
    """A root folder with these accounts."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def fake_nvcc(folder: Path, release: str = "13.0") -> Path:
    """An nvcc that answers as a release does."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cuda.h").touch()
    nvcc = folder / "nvcc"
    nvcc.write_text(
        "#!/bin/sh\n"
        f"case $1 in --version) echo 'release {release}, V{release}.1';;\n"
        f"*) echo '#$ INCLUDES=\"-I{folder}\"' >&2;; esac\n"
    )
    nvcc.chmod(0o755)
    return nvcc


class Checkout:
    """A checkout with the committed presets, on a machine whose PATH is one folder."""

    def __init__(self, folder: Path, *, nvcc: bool = True) -> None:
        self.root, self.bin = folder / "checkout", folder / "bin"
        self.root.mkdir()
        self.bin.mkdir()
        shutil.copy(ROOT / "CMakePresets.json", self.root)
        self.file = self.root / "CMakeUserPresets.json"
        self.nvcc = fake_nvcc(self.bin) if nvcc else None
        self.machine, self.questions = LAPTOP, SILENT

    def run(self, *arguments: str, **environ: str) -> int:
        """The command, with this interpreter as the environment."""
        return main(
            ["--python", sys.executable, *arguments],
            root=self.root,
            environ={"PATH": str(self.bin), **environ},
            machine=self.machine,
            questions=self.questions,
        )

    def variables(self, preset: str = "release") -> dict[str, str]:
        """The cache variables of a configure preset."""
        presets = json.loads(self.file.read_text())["configurePresets"]
        found: dict[str, str] = next(p["cacheVariables"] for p in presets if p["name"] == preset)
        return found
