"""What CMake has to know of an upstream checkout, as JSON: `python -m tools.upstream_facts --help`.

Composes tools.upstream with the machine's limits of tools.presets; the standard library is enough.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from tools.errors import exit_with
from tools.presets.machine import Machine
from tools.upstream.checkout import Upstream
from tools.upstream.cuda import Cuda
from tools.upstream.torch import Torch

# Peak of a compile of upstream's binding against torch, measured: 1.9 GiB.
COMPILE_BYTES = 19 * (1 << 30) // 10
MOST_AT_ONCE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the facts of a checkout and of what it is compiled against."""
    parser = argparse.ArgumentParser(prog="python -m tools.upstream_facts", description=__doc__)
    add = parser.add_argument
    add("--source", type=Path, required=True, help="an upstream checkout")
    add("--torch", default="", help="the folder of a torch; default: this Python's")
    add("--cuda-include", type=Path, required=True, help="the folder of the toolkit's cuda.h")
    options = parser.parse_args(arguments)
    upstream, torch = Upstream.read(options.source), Torch.find(options.torch)
    cuda = Cuda.find(options.cuda_include, torch.folder.parent)
    facts = {
        "source": upstream.folder,
        "version": upstream.mark,
        "torch": torch.folder,
        "torch_version": torch.version,
        "torch_abi": torch.cxx11_abi,
        "include": ";".join(map(str, (*torch.includes, *cuda.includes))),
        "libraries": ";".join(map(str, (*torch.libraries, *cuda.libraries))),
        "jobs": jobs_at_once(Machine.read()),
    }
    print(json.dumps({name: str(value) for name, value in facts.items()}, indent=1))
    return 0


def jobs_at_once(machine: Machine) -> int:
    """Return how many compiles of the binding the memory bears, at most two."""
    return max(1, min(MOST_AT_ONCE, machine.memory // COMPILE_BYTES))


if __name__ == "__main__":
    exit_with(main)
