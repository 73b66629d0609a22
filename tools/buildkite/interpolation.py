"""What `buildkite-agent pipeline upload` does to the dollars of a command.

It happens before any shell sees the command, and knows no quotes: `'$X'` is replaced too.
Source: the grammar of github.com/buildkite/interpolate.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

# Known when the pipeline is uploaded and equal for every job, so that replacing them is harmless.
# The second half is what vLLM's generator fills in.
UPLOAD_NAMES = frozenset(
    {
        "BUILDKITE_BRANCH",
        "BUILDKITE_BUILD_ID",
        "BUILDKITE_BUILD_NUMBER",
        "BUILDKITE_BUILD_URL",
        "BUILDKITE_COMMIT",
        "BUILDKITE_ORGANIZATION_SLUG",
        "BUILDKITE_PIPELINE_SLUG",
        "BUILDKITE_PULL_REQUEST",
        "BUILDKITE_PULL_REQUEST_BASE_BRANCH",
        "BUILDKITE_REPO",
        "BUILDKITE_TAG",
        "BRANCH",
        "CACHE_FROM",
        "CACHE_TO",
        "IMAGE_TAG",
        "IMAGE_TAG_LATEST",
        "IMAGE_TAG_TORCH_NIGHTLY",
        "REGISTRY",
        "REPO",
        "VLLM_MERGE_BASE_COMMIT",
        "VLLM_USE_PRECOMPILED",
    }
)

_DOLLARS = re.compile(
    r"""(?P<backslashes>\\\\)
    | (?P<escape>\\\$|\$\$)
    | (?P<shell>\$\()
    | \$\{(?P<braced>[A-Za-z]\w*)(?P<operator>:?-|\?)?(?P<word>[^}]*)\}
    | \$(?P<name>[A-Za-z]\w*)
    | \$(?P<refused>.)""",
    re.VERBOSE | re.DOTALL,
)


def interpolated(command: str, environment: Mapping[str, str]) -> str:
    """Return the command as the agent's shell gets it."""
    return _DOLLARS.sub(lambda found: _replacement(found, environment), command)


def problems(command: str) -> Iterator[str]:
    """Yield what the upload would refuse or silently change."""
    for found in _DOLLARS.finditer(command):
        name = found["name"] or found["braced"]
        if found["refused"]:
            yield f"{found[0]!r}: the upload refuses it; write {'$' + found[0]!r}"
        elif found["escape"] == r"\$":
            yield r"'\$': the upload drops the backslash; write '$$' inside single quotes"
        elif name and name not in UPLOAD_NAMES:
            quoted = _in_single_quotes(command, found.start())
            also = " (single quotes do not protect it)" if quoted else ""
            yield (
                f"{found[0]!r} is replaced when the pipeline is uploaded, not when the step runs"
                f"{also}; write {'$' + found[0]!r}"
            )


def _replacement(found: re.Match[str], environment: Mapping[str, str]) -> str:
    if found["escape"]:
        return "$"
    name = found["name"] or found["braced"]
    if not name:
        return found[0]
    value = environment.get(name)
    operator = found["operator"]
    if operator == "-":
        return found["word"] if value is None else value
    if operator == ":-":
        return value or found["word"]
    return value or ""


def _in_single_quotes(command: str, offset: int) -> bool:
    quote = ""
    for character in command[:offset]:
        if character in "'\"" and quote in ("", character):
            quote = "" if quote else character
    return quote == "'"
