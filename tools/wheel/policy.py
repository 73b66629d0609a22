"""What an audit expects of one kind of wheel, as a value; another kind is another value."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from tools.wheel.limited_api import FLOOR
from tools.wheel.platform_tag import DRIVER_LIBRARIES, RUNTIME_LIBRARIES

TORCH_LIBRARIES = frozenset(
    {
        "libc10.so",
        "libc10_cuda.so",
        "libtorch.so",
        "libtorch_cpu.so",
        "libtorch_cuda.so",
        "libtorch_python.so",
    }
)
# Their soname ends with the toolkit's major version; torch's own requirements bring them.
CUDA_LIBRARIES = frozenset({"libcudart.so.*", "libnvrtc.so.*"})
# What the local part of our version begins with where an upstream checkout was built.
UPSTREAM_MARK = "upstream"


@dataclass(frozen=True, kw_only=True)
class Policy:
    """The promises of one kind of wheel.

    Units: the limits are bytes.
    """

    distribution: str
    folder: str
    """Where the binaries lie, from the root of the wheel."""
    module: str
    library: str | None
    """The soname of the Python-free library that every extension is linked to; None for none."""
    marker: str | None
    """The data symbol in which an extension states the SOABI that it was compiled for."""
    abi3_floor: tuple[int, int] | None
    """The first CPython that the abi3 extension serves; None where no wheel has to have one."""
    needed: frozenset[str]
    """The libraries that a binary may need of the machine, as names or patterns."""
    torch: bool
    """Whether extensions are bound to a torch, whose version the metadata has to record."""
    self_test: bool
    """Whether an extension can test itself once it is imported."""
    retagged: bool
    """Whether it is renamed once it is built: then the file name alone states the tags."""
    archive_limit: int
    unpacked_limit: int
    sbom: bool = False
    """Whether our builder packs it, so that its bill of materials has to be there and true."""

    @property
    def abi3_tag(self) -> str | None:
        """The interpreter tag that the floor amounts to, such as cp310."""
        return "cp{}{}".format(*self.abi3_floor) if self.abi3_floor else None

    def may_need(self, library: str) -> bool:
        """Whether the machine, or what the wheel requires, brings a library of that name."""
        return any(fnmatchcase(library, pattern) for pattern in self.needed)

    def brought(self, libraries: Iterable[str]) -> frozenset[str]:
        """Return those that other packages bring: they say nothing of the platform."""
        return frozenset(
            name for name in libraries if self.may_need(name) and name not in RUNTIME_LIBRARIES
        )


OURS = Policy(
    distribution="vllm-deepgemm",
    folder="vllm/third_party/deep_gemm",
    module="_C",
    library="libdeep_gemm.so",
    marker="deep_gemm_soabi",
    abi3_floor=FLOOR,
    needed=RUNTIME_LIBRARIES,
    torch=False,
    self_test=True,
    retagged=False,
    archive_limit=100_000_000,  # what PyPI takes as one file unless asked for more
    unpacked_limit=1 << 28,
    sbom=True,
)
# The same package under the name that everybody else imports.
STANDALONE = replace(OURS, distribution="deep-gemm-hopper", folder="deep_gemm")

# An upstream checkout built here: pybind11 against torch, so that nothing is abi3.
UPSTREAM = replace(
    OURS,
    library=None,
    abi3_floor=None,
    needed=RUNTIME_LIBRARIES | DRIVER_LIBRARIES | TORCH_LIBRARIES | CUDA_LIBRARIES,
    torch=True,
    self_test=False,
    sbom=False,
)
# What vLLM publishes: the same extensions without our marker, in a wheel of many other things.
PUBLISHED = replace(
    UPSTREAM,
    distribution="vllm",
    marker=None,
    retagged=True,
    archive_limit=1 << 30,
    unpacked_limit=1 << 32,
)


def policy_of(name: str, version: str) -> Policy:
    """Return the policy of the kind that a wheel's own name and version say it is."""
    # Source: PyPA "Names and normalization"; by hand, because setup.py needs this module.
    if re.sub(r"[-_.]+", "-", name).lower() == PUBLISHED.distribution:
        return PUBLISHED
    if re.sub(r"[-_.]+", "-", name).lower() == STANDALONE.distribution:
        return STANDALONE
    local = version.partition("+")[2]
    return UPSTREAM if local.split(".")[0] == UPSTREAM_MARK else OURS
