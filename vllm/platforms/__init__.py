"""The platform that this process computes on: `from vllm.platforms import current_platform`.

It is looked up when it is first asked for, without a CUDA context, so a process may still fork
afterwards.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from vllm.platforms.interface import DeviceCapability, Platform

if TYPE_CHECKING:
    current_platform: Platform

__all__ = ["DeviceCapability", "Platform", "current_platform"]


def __getattr__(name: str) -> Any:
    """Detect the platform at the first read of `current_platform`."""
    if name == "current_platform":
        return _detected()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@cache
def _detected() -> Platform:
    from vllm.platforms.detection import detect

    return detect()
