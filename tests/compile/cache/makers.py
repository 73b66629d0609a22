"""A compiler that tests can afford: a process that makes an artefact of several files, slowly,
through the real cache.

Run as `makers.py ROOT SECONDS [START_FILE]`; prints what the process counted and the artefact as
JSON.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from vllm.compilation.cache import CompileCache, Store
from vllm.compilation.counter import compilation_counter
from vllm.compilation.factors import Factors

FACTORS = Factors(model={"name": "fake"}, compiler={"name": "fake"})
PARTS = ("artifact.bin", "binaries/aa/kernel.so", "binaries/bb/kernel.so")
RESULT = {name: name * 50 for name in PARTS}


@dataclass(frozen=True, kw_only=True)
class FakeMaker:
    """Writes its parts in small steps over some seconds; its artefact is what they hold."""

    seconds: float = 0.0

    def compile(self, folder: Path | None) -> dict[str, str]:
        for name in PARTS if folder is not None else ():
            assert folder is not None
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            with (folder / name).open("w") as part:
                for _ in range(10):
                    part.write(name * 5)
                    part.flush()
                    time.sleep(self.seconds / 10 / len(PARTS))
        return RESULT

    def load(self, folder: Path) -> dict[str, str]:
        return {name: (folder / name).read_text() for name in PARTS}


def cache_at(root: Path) -> CompileCache:
    """Return a cache as a new process would have it."""
    return CompileCache(store=Store(root=root))


if __name__ == "__main__":
    while len(sys.argv) > 3 and not Path(sys.argv[3]).exists():
        time.sleep(0.002)
    made = cache_at(Path(sys.argv[1])).get(FACTORS, FakeMaker(seconds=float(sys.argv[2])))
    print(json.dumps({"result": made, **asdict(compilation_counter)}))
