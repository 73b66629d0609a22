"""Rotary position embeddings: `get_rope` makes the layer that a model's configuration describes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vllm.model_executor.layers.rotary_embedding.common import ApplyRotaryEmb
from vllm.model_executor.layers.rotary_embedding.embedding import MRotaryEmbedding, RotaryEmbedding
from vllm.model_executor.layers.rotary_embedding.frequencies import (
    Llama3Scaling,
    YarnScaling,
    base_frequencies,
    llama3_frequencies,
    yarn_frequencies,
)

__all__ = ["ApplyRotaryEmb", "MRotaryEmbedding", "RotaryEmbedding", "get_rope"]

KINDS = ("default", "llama3", "mrope", "yarn")
NAMES = (
    *("rope_type", "type", "rope_theta", "partial_rotary_factor"),
    *("mrope_section", "mrope_interleaved"),
    *("factor", "original_max_position_embeddings", "low_freq_factor", "high_freq_factor"),
    *("beta_fast", "beta_slow", "extrapolation_factor", "attn_factor"),
)


def get_rope(
    head_size: int,
    max_position: int,
    rope_parameters: Mapping[str, Any] | None = None,
    *,
    is_neox_style: bool = True,
    enable_fp32_compute: bool = False,
) -> RotaryEmbedding:
    """Make the rotary embedding of a model's `rope_parameters`, in the names of Hugging Face's
    configurations.

    A `mrope_section` makes it multimodal whatever its kind of scaling.

    Raises: ValueError for a `rope_type` or a name that is not served (a table without `mscale` is
        another model's), or a name that it needs and has not.
    """
    given = dict(rope_parameters or {})
    if unknown := sorted(given.keys() - set(NAMES)):
        names = ", ".join(unknown)
        raise ValueError(f"rope_parameters: expected some of {', '.join(NAMES)}, got {names}")
    kind = given.get("rope_type", given.get("type", "default"))
    if kind not in KINDS:
        raise ValueError(f"rope_type: expected one of {', '.join(KINDS)}, got {kind!r}")
    base = float(given.get("rope_theta", 10000.0))
    rotary_dim = int(head_size * given.get("partial_rotary_factor", 1.0))
    options: dict[str, Any] = {
        "is_neox_style": is_neox_style,
        "enable_fp32_compute": enable_fp32_compute,
    }
    frequencies = base_frequencies(rotary_dim, base)
    if kind == "llama3":
        frequencies = llama3_frequencies(rotary_dim, base, _llama3(given))
    elif kind == "yarn":
        scaling = _yarn(given)
        frequencies = yarn_frequencies(rotary_dim, base, scaling)
        options["magnitude"] = scaling.magnitude
        max_position = max(max_position, int(scaling.original_max_position * scaling.factor))
    if "mrope_section" in given:
        options["sections"] = tuple(given["mrope_section"])
        options["interleaved"] = bool(given.get("mrope_interleaved", False))
        return MRotaryEmbedding(head_size, frequencies, max_position, **options)
    return RotaryEmbedding(head_size, frequencies, max_position, **options)


def _llama3(given: Mapping[str, Any]) -> Llama3Scaling:
    return Llama3Scaling(
        factor=float(_required(given, "factor")),
        low_freq_factor=float(_required(given, "low_freq_factor")),
        high_freq_factor=float(_required(given, "high_freq_factor")),
        original_max_position=int(_required(given, "original_max_position_embeddings")),
    )


def _yarn(given: Mapping[str, Any]) -> YarnScaling:
    return YarnScaling(
        factor=float(_required(given, "factor")),
        original_max_position=int(_required(given, "original_max_position_embeddings")),
        beta_fast=float(given.get("beta_fast", 32)),
        beta_slow=float(given.get("beta_slow", 1)),
        extrapolation_factor=float(given.get("extrapolation_factor", 1)),
        attention_factor=float(given.get("attn_factor", 1)),
    )


def _required(given: Mapping[str, Any], name: str) -> Any:
    if name not in given:
        raise ValueError(f"rope_parameters: expected {name}, got {', '.join(sorted(given))}")
    return given[name]
