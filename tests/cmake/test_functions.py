"""How the CMake files are cut: one function a file, and no argument that it does not know."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

CMAKE = Path(__file__).resolve().parents[2] / "cmake"
FILES = sorted(CMAKE.glob("*.cmake"))


def call(folder: Path, file: Path, arguments: str) -> str:
    """Call a file's function in a script, and return what CMake said."""
    script = folder / "script.cmake"
    script.write_text(
        f'set(CMAKE_MODULE_PATH "{CMAKE}")\ninclude({file.stem})\n{file.stem}({arguments})\n'
    )
    done = subprocess.run(["cmake", "-P", str(script)], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    return " ".join(done.stderr.split())


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_holds_one_public_function_of_its_name(file: Path) -> None:
    """Helpers begin with an underscore; nothing is a macro."""
    names = re.findall(r"^function\((\w+)", file.read_text(), re.M)
    assert [name for name in names if not name.startswith("_")] == [file.stem]
    assert not re.search(r"^\s*macro\(", file.read_text(), re.M)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_an_unknown_argument_is_fatal(file: Path, tmp_path: Path) -> None:
    """A misspelt keyword is not ignored."""
    said = call(
        tmp_path, file, "SURPRISE 1" if file.stem != "deepgemm_check_arguments" else "f SURPRISE"
    )
    assert f"{file.stem}: unknown arguments: SURPRISE" in said


@pytest.mark.parametrize(
    "file",
    [file for file in FILES if file.stem != "deepgemm_check_arguments"],
    ids=lambda file: file.stem,
)
def test_a_missing_argument_is_fatal(file: Path, tmp_path: Path) -> None:
    """A call without what the function needs says which keyword it is."""
    assert re.search(rf"{file.stem}: [A-Z]+ is required", call(tmp_path, file, ""))
