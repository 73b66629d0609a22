"""What an audit expects of one kind of wheel, as a value; another kind is another value."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from tools.wheel.limited_api import FLOOR
from tools.wheel.platform_tag import RUNTIME_LIBRARIES


@dataclass(frozen=True, kw_only=True)
class Policy:
    """The promises of one kind of wheel.

    Units: the limits are bytes.
    """

    distribution: str
    folder: str
    """Where the binaries lie, from the root of the wheel."""
    module: str
    library: str
    """The soname of the Python-free library that every extension is linked to."""
    marker: str
    """The data symbol in which an extension states the SOABI that it was compiled for."""
    abi3_floor: tuple[int, int] | None
    """The first CPython that the abi3 extension serves; None where no wheel has to have one."""
    needed: frozenset[str]
    """The libraries that a binary may need of the machine."""
    archive_limit: int
    unpacked_limit: int
    sbom: bool = False
    """Whether our builder packs it, so that its bill of materials has to be there and true."""

    @property
    def abi3_tag(self) -> str | None:
        """The interpreter tag that the floor amounts to, such as cp310."""
        return "cp{}{}".format(*self.abi3_floor) if self.abi3_floor else None


OURS = Policy(
    distribution="vllm-deepgemm",
    folder="vllm/third_party/deep_gemm",
    module="_C",
    library="libdeep_gemm.so",
    marker="deep_gemm_soabi",
    abi3_floor=FLOOR,
    needed=RUNTIME_LIBRARIES,
    archive_limit=100_000_000,  # what PyPI takes as one file unless asked for more
    unpacked_limit=1 << 28,
    sbom=True,
)
# The same package under the name that everybody else imports.
STANDALONE = replace(OURS, distribution="deep-gemm-hopper", folder="deep_gemm")


def policy_of(name: str) -> Policy:
    """Return the policy of the kind that a wheel's own name says it is."""
    normal = re.sub(r"[-_.]+", "-", name).lower()  # Source: PyPA "Names and normalization"
    return STANDALONE if normal == STANDALONE.distribution else OURS
