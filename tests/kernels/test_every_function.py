"""What holds for every function: streams, graphs, PDL, the limit of multiprocessors, same bits."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from tests.kernels.cases.case import POISON, Case, bits, same_bits
from tests.kernels.cases.every import EVERY
from tests.kernels.configurations import early_weights, ordinary
from vllm.third_party import deep_gemm

pytestmark = pytest.mark.hopper

Draw = Callable[[torch.device], Case]


@pytest.fixture(params=EVERY)
def case(request: pytest.FixtureRequest, device: torch.device) -> Case:
    """Each function's case in turn."""
    return EVERY[request.param](device)


def test_agrees(case: Case) -> None:
    """The cases themselves are right before anything is done to them."""
    assert case.share() < 1


def test_follows_the_current_stream(case: Case, device: torch.device) -> None:
    """On a side stream the kernel waits for that stream's earlier work, not for the default
    stream's."""
    kept = bits(case.values).clone()
    in_place = case.values.view(kept.dtype)
    in_place.zero_()
    torch.cuda.synchronize(device)
    stream = torch.cuda.Stream(device)
    with torch.cuda.stream(stream):
        torch.cuda._sleep(20_000_000)  # the copy is late: a launch elsewhere would read zeros
        in_place.copy_(kept)
        case.call()
    stream.synchronize()
    assert case.judge() < 1


def test_is_captured_by_a_graph(case: Case) -> None:
    """A captured launch computes nothing at capture, and replays with the inputs of the moment."""
    case.call()
    case.d.fill_(POISON)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        case.call()
    assert bool(torch.isnan(case.d).all())
    kept = bits(case.values).clone()
    in_place = case.values.view(kept.dtype)
    in_place.zero_()
    graph.replay()
    of_zeros = case.d.clone()
    case.d.fill_(POISON)
    in_place.copy_(kept)
    graph.replay()
    assert case.judge() < 1
    assert not same_bits(case.d, of_zeros)


def test_is_captured_where_streams_part_and_join(case: Case, device: torch.device) -> None:
    """The captured launch depends on kernels of two streams, and kernels of two depend on it."""
    case.call()
    kept = bits(case.values).clone()
    in_place = case.values.view(kept.dtype)
    side = torch.cuda.Stream(device)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        current = torch.cuda.current_stream(device)
        side.wait_stream(current)
        with torch.cuda.stream(side):
            case.d.fill_(POISON)
        in_place.zero_()
        in_place.copy_(kept)
        current.wait_stream(side)
        case.call()
        side.wait_stream(current)
        with torch.cuda.stream(side):
            aside = case.d.clone()
        along = case.d.clone()
        current.wait_stream(side)
    for _ in range(3):
        graph.replay()
        assert case.judge() < 1
        assert same_bits(aside, case.d)
        assert same_bits(along, case.d)


def test_is_deterministic(case: Case) -> None:
    """The same operands give the same bits."""
    case.call()
    first = case.d.clone()
    for _ in range(3):
        case.d.fill_(POISON)
        case.call()
        assert same_bits(case.d, first)


def test_a_limit_of_multiprocessors_changes_no_result(case: Case) -> None:
    """Three blocks at a time do all of the tiles."""
    deep_gemm.set_num_sms(3)
    try:
        assert case.share() < 1
    finally:
        deep_gemm.set_num_sms(0)


@pytest.mark.parametrize("early", [False, True])
def test_waits_for_the_launch_before_it(case: Case, early: bool) -> None:
    """Launches are dependent ones (PDL): what the stream's last kernel writes is read whole; where
    weights are read early, A is still waited for.
    """
    kept = bits(case.values).clone()
    in_place = case.values.view(kept.dtype)
    with early_weights(allowed=early):
        for _ in range(5):
            case.d.fill_(POISON)
            torch.cuda._sleep(1_000_000)  # what follows waits in the stream, one behind the other
            in_place.zero_()
            in_place.copy_(kept)
            case.call()
            assert case.judge() < 1


def test_an_ordinary_launch_gives_the_same_bits(case: Case) -> None:
    """A launch that waits for the end of the last kernel before it begins changes no result."""
    case.call()
    dependent = case.d.clone()
    case.d.fill_(POISON)
    ordinary(case.call)
    assert same_bits(case.d, dependent)
