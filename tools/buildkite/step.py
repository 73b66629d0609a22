"""One CI step as a value, after defaults and inheritance."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from tools.buildkite.positions import Position, Text

WORKSPACE = "/vllm-workspace"  # where vLLM's agents have the checkout


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step as Buildkite and a local run see it; `dependencies` ends with the declaring file."""

    key: str
    label: str
    group: str
    position: Position
    commands: tuple[Text, ...]
    dependencies: tuple[Text, ...]
    depends_on: tuple[Text, ...] = ()
    device: str | None = None
    num_devices: int = 1
    num_nodes: int = 1
    no_gpu: bool = False
    working_dir: str | None = None
    timeout_in_minutes: int | None = None
    parallelism: int = 1
    concurrency: int | None = None
    concurrency_group: str | None = None
    optional: bool = False
    soft_fail: bool = False
    env: Mapping[str, str] = field(default_factory=dict)
    agent_tags: Mapping[str, str] = field(default_factory=dict)
    retry: Mapping[str, object] | None = None
    matrix: tuple[str, ...] = ()
    artifact_paths: tuple[str, ...] = ()
    condition: str | None = None
    allow_dependency_failure: bool = False

    @property
    def declared(self) -> tuple[Text, ...]:
        """Return the dependencies that the step names itself, without the declaring file."""
        return self.dependencies[:-1]

    @property
    def folder(self) -> str:
        """Return the working folder relative to the checkout, `.` for its root."""
        if not self.working_dir:
            return "."
        inside = re.sub(rf"^{WORKSPACE}(/|$)", "", self.working_dir)
        return inside if inside.startswith("/") else inside.strip("/") or "."
