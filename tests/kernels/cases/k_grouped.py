"""Cases of the k-grouped functions: weight gradients, `d[g] = c[g] + A_g.T @ B_g` in f32."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from tests.kernels.cases.case import Case, poisoned
from tests.kernels.cases.dense import judge, seed_of
from tests.kernels.cases.rows import spread_of
from tests.kernels.reference import F32_OF_BF16, F32_OF_E4M3, Quantised, quantised
from vllm.third_party import deep_gemm

Exact = Sequence[torch.Tensor]


def fp8_nt(m: int, n: int, ks: Sequence[int], device: torch.device, *, with_c: bool = True) -> Case:
    """Each group's (m, k) and (n, k), dense in k, flattened; scale factors (m, sum of k / 128)."""
    a, b = drawn(m, n, ks, device)
    given = (flattened(a), flattened(b))
    function = deep_gemm.k_grouped_fp8_gemm_nt_contiguous
    return case(function, given, (m, n, ks), exact_of(a, b), given[0][0], with_c=with_c)


def fp8_tn(m: int, n: int, ks: Sequence[int], device: torch.device, *, with_c: bool = True) -> Case:
    """(sum of k, m) and (sum of k, n); scale factors (sum of k / 128, m)."""
    a, b = drawn(m, n, ks, device)
    given = (transposed(a), transposed(b))
    function = deep_gemm.k_grouped_fp8_gemm_tn_contiguous
    return case(function, given, (m, n, ks), exact_of(a, b), given[0][0], with_c=with_c)


def bf16_tn(
    m: int, n: int, ks: Sequence[int], device: torch.device, *, with_c: bool = True
) -> Case:
    """(sum of k, m) and (sum of k, n) in bf16."""
    generator = torch.Generator(device=device).manual_seed(seed_of(m, n, sum(ks)))
    a, b = (
        torch.randn(sum(ks), mn, dtype=torch.bfloat16, device=device, generator=generator)
        for mn in (m, n)
    )

    def exact() -> tuple[Exact, Exact]:
        parts = [[part.double().T for part in x.split(list(ks))] for x in (a, b)]
        return parts[0], parts[1]

    function = deep_gemm.k_grouped_bf16_gemm_tn_contiguous
    return case(function, (a, b), (m, n, ks), exact, a, with_c=with_c, f32=F32_OF_BF16)


def case(
    function: Callable[..., object],
    given: tuple[object, object],
    extents: tuple[int, int, Sequence[int]],
    exact: Callable[[], tuple[Exact, Exact]],
    values: torch.Tensor,
    *,
    with_c: bool,
    f32: float = F32_OF_E4M3,
) -> Case:
    """A group without k has to become c, or zeros."""
    m, n, ks = extents
    device = values.device
    ks_tensor = torch.tensor(ks, dtype=torch.int32, device=device)
    d = poisoned(len(ks), m, n, dtype=torch.float32, device=device)
    generator = torch.Generator(device=device).manual_seed(seed_of(n, m, sum(ks)))
    c = torch.randn(d.shape, device=device, generator=generator) * 16 if with_c else None

    def judge_all() -> float:
        a, b = exact()
        addends = [None] * len(ks) if c is None else list(c)
        return max(
            judge(out, rows, columns, addend, f32)
            for out, rows, columns, addend in zip(d, a, b, addends, strict=True)
        )

    return Case(
        name=f"{function.__name__} {m}x{n}x{spread_of(ks)} {with_c=}",
        values=values,
        d=d,
        call=lambda: function(*given, d, list(ks), ks_tensor, c),
        judge=judge_all,
    )


def drawn(
    m: int, n: int, ks: Sequence[int], device: torch.device
) -> tuple[list[Quantised], list[Quantised]]:
    """Draw each group's (m, k) and (n, k) with scale factors of rows."""
    generator = torch.Generator(device=device).manual_seed(seed_of(m, n, sum(ks)))
    a = [quantised(m, k, 1, generator) for k in ks]
    return a, [quantised(n, k, 1, generator) for k in ks]


def exact_of(a: Sequence[Quantised], b: Sequence[Quantised]) -> Callable[[], tuple[Exact, Exact]]:
    return lambda: ([part.exact for part in a], [part.exact for part in b])


def flattened(parts: Sequence[Quantised]) -> tuple[torch.Tensor, torch.Tensor]:
    values = torch.cat([part.values.view(torch.uint8).flatten() for part in parts])
    return values.view(torch.float8_e4m3fn), torch.cat([part.scales for part in parts], dim=1)


def transposed(parts: Sequence[Quantised]) -> tuple[torch.Tensor, torch.Tensor]:
    values = torch.cat([part.values.view(torch.uint8).T for part in parts])
    scales = torch.cat([part.scales.T for part in parts])
    return values.view(torch.float8_e4m3fn), scales
