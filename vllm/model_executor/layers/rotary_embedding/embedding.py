"""Rotary embeddings of models: queries and keys rotated by their positions, one axis or several.

It knows tables and positions; the rotation is `common.py`'s, the angles `frequencies.py`'s.
"""

from __future__ import annotations

from typing import Any

import torch

from vllm.model_executor.custom_op import CustomOp
from vllm.model_executor.layers.rotary_embedding.common import rotate
from vllm.model_executor.layers.rotary_embedding.frequencies import table
from vllm.utils.compiled_operators import is_served, rotary_embedding


@CustomOp.register("rotary_embedding")
class RotaryEmbedding(CustomOp):
    """Rotate queries and keys by the table's row of each token's position.

    Shapes: positions (tokens,), query and key (tokens, heads * head_size) -> the same.
    """

    cos_sin_cache: torch.Tensor

    def __init__(
        self,
        head_size: int,
        frequencies: torch.Tensor,
        max_position: int,
        *,
        is_neox_style: bool = True,
        magnitude: float = 1.0,
        enable_fp32_compute: bool = False,
        enforce_enable: bool = False,
    ) -> None:
        super().__init__(enforce_enable=enforce_enable)
        self.head_size = head_size
        self.rotary_dim = 2 * frequencies.shape[0]
        if self.rotary_dim > head_size:
            raise ValueError(f"rotary_dim: expected at most {head_size}, got {self.rotary_dim}")
        self.is_neox_style = is_neox_style
        self.enable_fp32_compute = enable_fp32_compute
        cache = table(frequencies, max_position, magnitude)
        self.register_buffer("cos_sin_cache", cache, persistent=False)

    def forward_native(
        self, positions: torch.Tensor, query: torch.Tensor, key: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Rotate with plain torch operators."""
        cos, sin = self.angles(positions)
        rotated_key = None if key is None else self._rotate(key, cos, sin)
        return self._rotate(query, cos, sin), rotated_key

    def forward_cuda(
        self, positions: torch.Tensor, query: torch.Tensor, key: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Rotate with the compiled operator, where this tree's extension is built.

        It computes in float32 whatever the type, and has no gradient.
        """
        if positions.dim() != 1 or query.requires_grad or not self._is_compiled(query):
            return self.forward_native(positions, query, key)
        table = self.cos_sin_cache
        return rotary_embedding(positions, query, key, self.head_size, table, self.is_neox_style)

    def forward_cpu(
        self, positions: torch.Tensor, query: torch.Tensor, key: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Rotate with the CPU's version of the same operator."""
        return self.forward_cuda(positions, query, key)

    def _is_compiled(self, query: torch.Tensor) -> bool:
        return is_served("rotary_embedding_out", query.device.type)

    def angles(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return cos and sin of the tokens' positions.

        Shapes: positions (tokens,) -> twice (tokens, rotary / 2).
        """
        cos, sin = self.cos_sin_cache[positions].chunk(2, dim=-1)
        return cos, sin

    def _rotate(self, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        heads = x.reshape(x.shape[0], -1, self.head_size)
        turned = rotate(
            heads,
            cos,
            sin,
            is_neox_style=self.is_neox_style,
            enable_fp32_compute=self.enable_fp32_compute,
        )
        return turned.reshape(x.shape)

    def extra_repr(self) -> str:
        """Describe the layer as torch prints it."""
        style = "neox" if self.is_neox_style else "gptj"
        return f"head_size={self.head_size}, rotary_dim={self.rotary_dim}, style={style}"


@CustomOp.register("mrotary_embedding")
class MRotaryEmbedding(RotaryEmbedding):
    """Rotate by positions on three axes (time, height, width), each the angles of its own pairs.

    `sections` says how many pairs belong to each axis, side by side (Qwen2-VL) or, with
    `interleaved`, in turns (Qwen3-VL: t h w t h w ... while an axis has pairs left, then t).

    Shapes: positions (3, tokens), or (tokens,) for text; query and key (tokens, heads * head_size)
        -> the same.
    """

    _axis_of_pair: torch.Tensor

    def __init__(
        self,
        head_size: int,
        frequencies: torch.Tensor,
        max_position: int,
        *,
        sections: tuple[int, int, int],
        interleaved: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(head_size, frequencies, max_position, **options)
        if sum(sections) != self.rotary_dim // 2:
            pairs = self.rotary_dim // 2
            raise ValueError(f"sections: expected a sum of {pairs} pairs, got {sections}")
        axes = _interleaved(sections) if interleaved else _side_by_side(sections)
        self.register_buffer("_axis_of_pair", axes, persistent=False)

    def angles(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return cos and sin of the tokens, each pair from its axis.

        Shapes: positions (3, tokens) or (tokens,) -> twice (tokens, rotary / 2).
        """
        if positions.dim() == 1:
            return super().angles(positions)
        cos, sin = self.cos_sin_cache[positions].chunk(2, dim=-1)  # (3, tokens, pairs)
        axes = self._axis_of_pair.expand(1, positions.shape[1], -1)
        return cos.gather(0, axes).squeeze(0), sin.gather(0, axes).squeeze(0)


def _side_by_side(sections: tuple[int, int, int]) -> torch.Tensor:
    return torch.repeat_interleave(torch.arange(3), torch.tensor(sections))


def _interleaved(sections: tuple[int, int, int]) -> torch.Tensor:
    axes = torch.zeros(sum(sections), dtype=torch.long)
    for axis in (1, 2):
        axes[axis : 3 * sections[axis] : 3] = axis
    return axes
