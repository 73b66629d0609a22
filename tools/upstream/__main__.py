"""`python -m tools.upstream --source DIR --cuda-include DIR`: print what CMake has to know."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from tools.errors import exit_with
from tools.upstream.checkout import Upstream
from tools.upstream.cuda import Cuda
from tools.upstream.torch import Torch


def main() -> int:
    """Print the facts of a checkout and of the torch to compile it against."""
    parser = argparse.ArgumentParser(prog="python -m tools.upstream", description=__doc__)
    parser.add_argument("--source", type=Path, required=True, help="an upstream checkout")
    parser.add_argument("--torch", default="", help="the folder of a torch; default: this Python's")
    parser.add_argument(
        "--cuda-include", type=Path, required=True, help="the folder of the toolkit's cuda.h"
    )
    options = parser.parse_args()
    upstream, torch = Upstream.read(options.source), Torch.find(options.torch)
    cuda = Cuda.find(options.cuda_include, torch.folder.parent)
    facts = {
        "source": str(upstream.folder),
        "version": upstream.mark,
        "torch": str(torch.folder),
        "torch_version": torch.version,
        "torch_abi": str(torch.cxx11_abi),
        "include": ";".join(map(str, (*torch.includes, *cuda.includes))),
        "libraries": ";".join(map(str, (*torch.libraries, *cuda.libraries))),
    }
    print(json.dumps(facts, indent=1))
    return 0


if __name__ == "__main__":
    exit_with(main)
