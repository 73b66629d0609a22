"""The keys of a step file: the type that each takes and what it means.

Source: vLLM's step files and the step model of vllm-project/ci-infra's pipeline generator.
`Field.meaning` says where a key is known but has no effect, so that no file of vLLM's is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tools.buildkite.positions import Located


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A type of value: how an error names it, and which values are of it."""

    name: str
    accepts: Callable[[Located], bool]


@dataclass(frozen=True, kw_only=True)
class Field:
    """A key: the kind of its value and what the value does."""

    kind: Kind
    meaning: str


def _is_text(node: Located) -> bool:
    return isinstance(node.value, str) and bool(node.value)


def _is_scalar_text(node: Located) -> bool:
    return isinstance(node.value, (str, int, float)) and not isinstance(node.value, bool)


def _is_texts(node: Located) -> bool:
    return isinstance(node.value, tuple) and all(map(_is_text, node.value))


def _is_positive(node: Located) -> bool:
    return isinstance(node.value, int) and not isinstance(node.value, bool) and node.value > 0


TEXT = Kind(name="a text", accepts=_is_text)
FLAG = Kind(name="true or false", accepts=lambda node: isinstance(node.value, bool))
COUNT = Kind(name="a whole number above 0", accepts=_is_positive)
TEXTS = Kind(name="a list of texts", accepts=_is_texts)
KEYS = Kind(
    name="a list of step keys, one key, or ~",
    accepts=lambda node: node.value is None or _is_text(node) or _is_texts(node),
)
TEXT_MAP = Kind(
    name="a mapping of names to texts (quote numbers)",
    accepts=lambda node: (
        isinstance(node.value, dict)
        and all(isinstance(member.value, str) for member in node.value.values())
    ),
)
MAPPING = Kind(name="a mapping", accepts=lambda node: isinstance(node.value, dict))
STEPS = Kind(
    name="a list of steps",
    accepts=lambda node: (
        isinstance(node.value, tuple) and all(isinstance(item.value, dict) for item in node.value)
    ),
)
VARIANTS = Kind(
    name="a list of texts or numbers",
    accepts=lambda node: isinstance(node.value, tuple) and all(map(_is_scalar_text, node.value)),
)
ANY = Kind(name="any value", accepts=lambda _: True)

AREA_KEYS = {
    "group": Field(kind=TEXT, meaning="heading of the steps on Buildkite's page"),
    "depends_on": Field(kind=KEYS, meaning="what steps without their own depends_on wait for"),
    "steps": Field(kind=STEPS, meaning="the steps of this area"),
}

# What a step and its mirror share.
_COMMON_KEYS = {
    "label": Field(kind=TEXT, meaning="name on Buildkite's page; %N becomes the shard's number"),
    "commands": Field(kind=TEXTS, meaning="shell commands, run in order in one shell"),
    "source_file_dependencies": Field(
        kind=TEXTS, meaning="paths and folders whose change selects the step; ! excludes"
    ),
    "depends_on": Field(kind=KEYS, meaning="keys of the steps to wait for"),
    "device": Field(kind=TEXT, meaning="hardware that the step needs"),
    "num_devices": Field(kind=COUNT, meaning="how many of the device"),
    "num_gpus": Field(kind=COUNT, meaning="older name of num_devices"),
    "num_nodes": Field(kind=COUNT, meaning="how many machines at once"),
    "no_gpu": Field(kind=FLAG, meaning="runs on the device's agent without its GPU"),
    "agent_tags": Field(kind=TEXT_MAP, meaning="further tags that the agent must have"),
    "working_dir": Field(kind=TEXT, meaning="folder that the commands start in"),
    "timeout_in_minutes": Field(kind=COUNT, meaning="when to kill the step"),
    "parallelism": Field(kind=COUNT, meaning="number of shards (a mirror's own has no effect)"),
    "concurrency": Field(kind=COUNT, meaning="how many of concurrency_group run at once"),
    "concurrency_group": Field(kind=TEXT, meaning="name that shares the concurrency limit"),
    "optional": Field(kind=FLAG, meaning="runs nightly or by name only, not for a change"),
    "soft_fail": Field(kind=FLAG, meaning="a failure is shown but does not fail the build"),
    "env": Field(kind=TEXT_MAP, meaning="environment of the commands"),
    "no_plugin": Field(kind=FLAG, meaning="runs on the agent itself, not in vLLM's image"),
    "dind": Field(kind=FLAG, meaning="Docker inside the agent's container (AMD)"),
}

MIRROR_KEYS = _COMMON_KEYS

STEP_KEYS = {
    **_COMMON_KEYS,
    "key": Field(kind=TEXT, meaning="name that depends_on and this tool use"),
    "command": Field(kind=TEXT, meaning="older form of commands with one entry"),
    "gpu": Field(kind=TEXT, meaning="older name of device"),
    "group": Field(kind=TEXT, meaning="heading of this step where the file has none"),
    "retry": Field(kind=MAPPING, meaning="Buildkite's rules for another attempt"),
    "mirror": Field(kind=MAPPING, meaning="the same step on other hardware, with what differs"),
    "mount_buildkite_agent": Field(kind=FLAG, meaning="the agent's binary is in the container"),
    "matrix": Field(kind=VARIANTS, meaning="one job for each value; {{matrix}} is the value"),
    "artifact_paths": Field(kind=TEXTS, meaning="files that Buildkite keeps after the step"),
    "if": Field(kind=TEXT, meaning="Buildkite's condition; not evaluated here"),
    "allow_dependency_failure": Field(kind=FLAG, meaning="runs although what it needs failed"),
    "autorun_on_main": Field(kind=FLAG, meaning="no effect: today's generator drops it"),
    "agent_pool": Field(kind=TEXT, meaning="no effect: today's generator drops it"),
    "trace_represented_job_key": Field(kind=TEXT, meaning="vLLM's test selection data"),
    "trace_gpu": Field(kind=FLAG, meaning="vLLM's test selection data"),
    "trace_collector_sha256": Field(kind=TEXT, meaning="vLLM's test selection data"),
    "trace_subprocess_coverage": Field(kind=FLAG, meaning="vLLM's test selection data"),
    "trace_capture_class": Field(kind=TEXT, meaning="vLLM's test selection data"),
}

# torch_nightly has no effect: today's generator reads the amd entry alone.
MIRRORS = ("amd", "torch_nightly")

# Source: Buildkite's pipeline schema, commandStep.retry.
RETRY_KEYS = {
    "automatic": Field(kind=ANY, meaning="true, or the exits that are tried again"),
    "manual": Field(kind=ANY, meaning="whether a person may try again"),
}
AUTOMATIC_RETRY_KEYS = {
    "exit_status": Field(kind=ANY, meaning="exit code, list of them, or *"),
    "limit": Field(kind=COUNT, meaning="how often at most"),
    "signal": Field(kind=TEXT, meaning="signal that ended the job"),
    "signal_reason": Field(kind=TEXT, meaning="why the agent sent it"),
}
MANUAL_RETRY_KEYS = {
    "allowed": Field(kind=FLAG, meaning="whether a person may try again"),
    "permit_on_passed": Field(kind=FLAG, meaning="even a job that passed"),
    "reason": Field(kind=TEXT, meaning="why a person may not"),
}
