"""What a platform is: its name, its device's capability and why it was chosen. It knows no driver
and no torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple


class DeviceCapability(NamedTuple):
    """A CUDA compute capability; compares as a version does."""

    major: int
    minor: int


@dataclass(frozen=True, kw_only=True)
class Platform:
    """The platform of a process; `reason` says what decided it."""

    name: Literal["cpu", "cuda"]
    reason: str
    capability: DeviceCapability | None = None
    device_name: str = ""

    @property
    def device_type(self) -> str:
        """Return torch's name of the device."""
        return self.name

    def is_cpu(self) -> bool:
        """Whether tensors live on the CPU."""
        return self.name == "cpu"

    def is_cuda(self) -> bool:
        """Whether tensors live on a CUDA device."""
        return self.name == "cuda"

    def get_device_capability(self) -> DeviceCapability | None:
        """Return the first visible device's capability; None on a CPU."""
        return self.capability

    def has_device_capability(self, capability: tuple[int, int] | int) -> bool:
        """Whether the device has at least that capability, as (9, 0) or 90."""
        wanted = capability if isinstance(capability, tuple) else divmod(capability, 10)
        return self.capability is not None and self.capability >= wanted
