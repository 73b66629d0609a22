"""What a precompiled install costs: first, repeated, in a second checkout, offline; against a
download.

A loopback server with byte ranges serves a wheel: a real one (--wheel), or one made here, of which
the wanted binaries are a hundredth. The usual way downloads it whole at every install and unpacks
the members.

Units: bytes of bodies received; seconds of wall time, git's and the disk's included, no network
latency.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.tools.precompiled.server import WheelServer  # noqa: E402
from tests.tools.precompiled.wheels import ask, make_checkout, make_installer, make_wheel  # noqa: E402
from tools import console  # noqa: E402
from tools.errors import exit_with  # noqa: E402
from tools.precompiled.transport import Transport  # noqa: E402

FOLDER = "vllm/third_party/deep_gemm"


@dataclass(frozen=True, kw_only=True)
class Cost:
    """One way and what it cost. Units: bytes received, seconds."""

    way: str
    bytes: int
    seconds: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure each way once and print a table, or JSON."""
    options = _parse(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        served = folder / "served"
        served.mkdir()
        wheel = options.wheel or _synthetic(served, options.megabytes)
        if options.wheel:
            shutil.copy2(options.wheel, served)
        with WheelServer(served) as server:
            costs = measure(folder, server.url(wheel.name), options.members)
    if options.json:
        print(json.dumps([asdict(cost) for cost in costs], indent=1))
    else:
        rows = [(cost.way, cost.bytes, f"{cost.seconds:.2f}") for cost in costs]
        console.table(f"{wheel.name}", ("way", "bytes", "seconds"), rows)
    return 0


def measure(folder: Path, url: str, members: str) -> list[Cost]:
    """Return the cost of each way, ours in the order in which a user meets them."""
    cache, request = folder / "cache", ask(url, patterns=(members,))
    checkouts = [make_checkout(folder / name) for name in ("one", "two")]

    def install(checkout: Path, *, offline: bool = False) -> int:
        installer = make_installer(checkout, cache, transport=Transport(offline=offline))
        return installer.install(request).fetched

    return [
        _timed("whole download, members unpacked", lambda: _whole(url, folder, members)),
        _timed("first install", lambda: install(checkouts[0])),
        _timed("repeated", lambda: install(checkouts[0])),
        _timed("second checkout, same cache", lambda: install(checkouts[1])),
        _timed("offline", lambda: install(checkouts[1], offline=True)),
    ]


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="precompiled", description=main.__doc__)
    parser.add_argument("--wheel", type=Path, help="serve this wheel instead of one made here")
    parser.add_argument("--members", default=f"{FOLDER}/*.so", help="what to install of it")
    parser.add_argument("--megabytes", type=int, default=100, help="size of the wheel made here")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    return parser.parse_args(arguments)


def _synthetic(folder: Path, megabytes: int) -> Path:
    noise = random.Random(0)  # noqa: S311 - the same bytes each time
    size = megabytes << 20
    return make_wheel(
        folder,
        {
            "vllm/_C.abi3.so": noise.randbytes(size),
            f"{FOLDER}/_C.abi3.so": noise.randbytes(size // 200),
            f"{FOLDER}/libdeep_gemm.so": noise.randbytes(size // 200),
        },
    )


def _whole(url: str, folder: Path, members: str) -> int:
    target = folder / "whole.whl"
    with target.open("wb") as file:
        Transport().whole_into(url, file)
    with zipfile.ZipFile(target) as archive:
        wanted = [name for name in archive.namelist() if Path(name).match(members)]
        archive.extractall(folder / "unpacked", wanted)
    return target.stat().st_size


def _timed(way: str, act: Callable[[], int]) -> Cost:
    start = time.perf_counter()
    count = act()
    return Cost(way=way, bytes=count, seconds=time.perf_counter() - start)


if __name__ == "__main__":
    exit_with(main)
