"""Print one JSON object with the facts that a C extension needs of the interpreter running this.

Stands alone: the standard library of any CPython from 3.8 on, run as `PYTHON -I -S probe.py`.
facts.py and CMake (string(JSON)) run this very file, so the object is flat and every key is always
there. What has no answer is "" or false; `error` says why no extension can be compiled for it.
"""

from __future__ import annotations

import json
import os
import sys
import sysconfig
from pathlib import Path


def main() -> None:
    """Print the facts."""
    print(json.dumps(facts(), indent=1, sort_keys=True))


def facts() -> dict[str, str | bool]:
    """Collect the facts of the running interpreter."""
    executable = str(Path(sys.executable).absolute()) if sys.executable else ""
    include, platinclude = find_headers()
    soabi = sysconfig.get_config_var("SOABI") or ""
    return {
        "executable": executable,
        "base_executable": find_base(executable),
        "implementation": sys.implementation.name,
        "version": spell_version(),
        "soabi": soabi,
        "ext_suffix": sysconfig.get_config_var("EXT_SUFFIX") or "",
        "include": include,
        "platinclude": platinclude,
        "python_h": bool(include),
        "pyconfig_h": bool(platinclude),
        "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        "cache_tag": sys.implementation.cache_tag or "",
        "machine": os.uname().machine,
        "platform": sysconfig.get_platform(),
        "error": find_error(soabi, include, platinclude),
    }


def find_headers() -> tuple[str, str]:
    """Return the folder that holds Python.h and the one that holds its pyconfig.h; "" for none.

    The install scheme goes first: in a relocated Python INCLUDEPY still names the build's prefix.
    """
    for include in include_folders():
        if not Path(include, "Python.h").is_file():
            continue
        for folder in (include, sysconfig.get_path("platinclude")):
            if folder and Path(folder, "pyconfig.h").is_file():
                return include, str(Path(folder).absolute())
        return include, ""
    return "", ""


def include_folders() -> list[str]:
    """List the folders where Python.h may be, the likelier first."""
    named = (sysconfig.get_path("include"), sysconfig.get_config_var("INCLUDEPY"))
    return list(dict.fromkeys(str(Path(folder).absolute()) for folder in named if folder))


def find_base(executable: str) -> str:
    """Return the interpreter that a virtual environment was made from, or the executable itself.

    Limit: on Linux, CPython 3.10 and older do not know it themselves, so pyvenv.cfg is read.
    """
    base = getattr(sys, "_base_executable", "") or executable
    home = read_home(executable)
    if base != executable or not home:
        return base
    for name in (Path(executable).name, f"python3.{sys.version_info[1]}", "python3"):
        if Path(home, name).is_file():
            return str(Path(home, name))
    return str(Path(executable).resolve())


def read_home(executable: str) -> str:
    """Return `home` of the virtual environment around the executable, "" outside of one."""
    for folder in list(Path(executable).parents)[:2]:
        try:
            lines = (folder / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
        except OSError:
            continue
        for key, _, value in (line.partition("=") for line in lines):
            if key.strip() == "home":
                return value.strip()
    return ""


def spell_version() -> str:
    """Spell the version as package indexes do: 3.12.1, 3.14.0rc1."""
    major, minor, micro, level, serial = sys.version_info
    suffix = {"alpha": f"a{serial}", "beta": f"b{serial}", "candidate": f"rc{serial}", "final": ""}
    return f"{major}.{minor}.{micro}{suffix[level]}"


def find_error(soabi: str, include: str, platinclude: str) -> str:
    """Say why no extension can be compiled for this interpreter; "" when one can."""
    if sys.implementation.name != "cpython":
        return f"it is {sys.implementation.name}, not CPython"
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "it is free-threaded, and extensions need the usual build"
    if not soabi:
        return "sysconfig names no SOABI"
    if not include:
        return "no Python.h in " + " or ".join(include_folders())
    if not platinclude:
        return f"no pyconfig.h beside {include}/Python.h"
    return ""


if __name__ == "__main__":
    main()
