"""What the environment says about a precompiled install; setup.py has no other way to be told."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from tools.precompiled.install import Request
from tools.precompiled.source import Source

MEMBERS = "VLLM_PRECOMPILED_MEMBERS"
OFFLINE = "VLLM_PRECOMPILED_OFFLINE"
REPLACE = "VLLM_PRECOMPILED_REPLACE"
ANY_TORCH = "VLLM_PRECOMPILED_ANY_TORCH"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A request, and whether the network may be used for it."""

    request: Request
    offline: bool

    @classmethod
    def from_environment(
        cls, named: str | None, environment: Mapping[str, str] = os.environ
    ) -> Settings:
        """Return the settings; VLLM_PRECOMPILED_MEMBERS separates patterns by , or spaces."""
        patterns = re.split(r"[,\s]+", environment.get(MEMBERS, ""))
        return cls(
            request=Request(
                source=Source.parse(named, environment),
                patterns=tuple(pattern for pattern in patterns if pattern),
                replace=is_set(environment, REPLACE),
                any_torch=is_set(environment, ANY_TORCH),
            ),
            offline=is_set(environment, OFFLINE),
        )


def is_set(environment: Mapping[str, str], name: str) -> bool:
    """Say whether a switch is on."""
    return environment.get(name, "").strip().lower() not in {"", "0", "false", "no"}
