"""Import the binaries of a checkout in a bare interpreter and say where its modules come from.

Runs alone, without this package: argument 1 is the checkout, argument 2 a JSON object with
`binaries` and `modules`, paths in it. Prints one JSON object: imported, skipped, broken (by
module), strange (paths).
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import sys
import types
from contextlib import suppress
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec, PathFinder
from pathlib import Path

# What an environment without torch lacks; the message of the loader names it.
FOREIGN = re.compile(r"lib(torch|c10|cud|cublas|nv|shm)\w*\.so[\d.]*")


def main() -> int:
    """Answer the question of argument 2 about the checkout of argument 1."""
    root, question = Path(sys.argv[1]).resolve(), json.loads(sys.argv[2])
    found = importlib.util.find_spec("vllm")
    if found is None or not str(found.origin).startswith(f"{root}/"):
        print(
            json.dumps({"strange": [f"vllm: {found}"], "broken": {}, "imported": [], "skipped": {}})
        )
        return 0
    answer = load(question["binaries"]) | {"strange": strange(root, question["modules"])}
    print(json.dumps(answer))
    return 0


def load(paths: list[str]) -> dict[str, object]:
    """Import each extension that this interpreter loads, its packages left unexecuted."""
    imported: list[str] = []
    skipped: dict[str, str] = {}
    broken: dict[str, str] = {}
    # Where torch is, its libraries are found once it is imported.
    with suppress(ImportError):
        importlib.import_module("torch")
    for path in paths:
        name = module_name(path)
        if not name or name in imported:
            continue
        try:
            stand_in(name.rpartition(".")[0])
            importlib.import_module(name)
            imported.append(name)
        except ImportError as error:
            lacking = FOREIGN.search(str(error))
            (skipped if lacking else broken)[name] = lacking[0] if lacking else str(error)
    needs = {name: f"needs {library}, not in this environment" for name, library in skipped.items()}
    return {"imported": imported, "skipped": needs, "broken": broken}


def module_name(path: str) -> str:
    """Return the module that this interpreter loads from the path, '' where it loads none."""
    file = Path(path).name
    suffix = next((suffix for suffix in EXTENSION_SUFFIXES if file.endswith(suffix)), "")
    # Another interpreter's suffix ends in .so too; a plain library starts with lib.
    if not suffix or "." in file.removesuffix(suffix) or file.startswith("lib"):
        return ""
    return path.removesuffix(suffix).replace("/", ".")


def stand_in(package: str) -> None:
    """Put bare packages in the place of those above an extension: theirs may need torch."""
    spec = importlib.util.find_spec("vllm")
    assert spec is not None
    folder = Path(str(spec.origin)).parent.parent
    parts = package.split(".")
    for length in range(1, len(parts) + 1):
        name = ".".join(parts[:length])
        module = types.ModuleType(name)
        module.__path__ = [str(folder.joinpath(*parts[:length]))]
        module.__spec__ = ModuleSpec(name, None, origin=str(spec.origin), is_package=True)
        sys.modules.setdefault(name, module)


def strange(root: Path, paths: list[str]) -> list[str]:
    """Return the modules that an importer would not take from their own file in the checkout."""
    found = []
    for path in paths:
        if not path.endswith(".py"):
            continue
        module = path.removesuffix(".py").removesuffix("/__init__")
        folder, _, name = module.rpartition("/")
        spec = PathFinder.find_spec(name, [str(root / folder)])
        origin = spec.origin if spec else None
        if origin != str(root / path):
            found.append(f"{path}: would be imported from {origin}")
    return found


if __name__ == "__main__":
    sys.exit(main())
