"""Times of methods that take turns: calls in CUDA graphs, inputs rotated past the L2 cache."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from itertools import cycle, islice

import torch

from benchmarks.gemm_comparison.torch_calls import Call

L2_BYTES = 60 << 20
# Of all input sets. With three times L2, loads whose lines are to be evicted first looked up to 6 %
# faster: older inputs stayed in L2 until their next turn. With 30 times they are slower.
ROTATED_BYTES = 20 * L2_BYTES
REPLAYS = 24
# A replay costs about 6 us beside its calls (the graph's launch, two events): in graphs as long as
# this that is a quarter of a hundredth.
GRAPH_MICROSECONDS = 2400


def input_sets(bytes_of_a_call: int) -> int:
    """Return how many input sets are far more than L2 holds, within reason."""
    return min(128, max(2, math.ceil(ROTATED_BYTES / bytes_of_a_call)))


def calls_of_a_graph(sets: int, floor_microseconds: float) -> int:
    """Return how many calls of at least so long a graph has: all sets, once or more often."""
    return sets * max(1, math.ceil(GRAPH_MICROSECONDS / (sets * floor_microseconds)))


def capture(calls: Sequence[Call], count: int) -> torch.cuda.CUDAGraph:
    """Return a CUDA graph of `count` calls, these ones round and round, warmed up."""
    for call in calls:
        call()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for call in islice(cycle(calls), count):
            call()
    graph.replay()
    torch.cuda.synchronize()
    return graph


def take_turns(
    graphs: Mapping[str, torch.cuda.CUDAGraph], calls: int, replays: int = REPLAYS
) -> dict[str, float]:
    """Return the median microseconds of one of each graph's `calls`; replays of all alternate."""
    times: dict[str, list[float]] = {name: [] for name in graphs}
    for _ in range(replays):
        for name, graph in graphs.items():
            times[name].append(replay(graph) / calls)
    return {name: statistics.median(values) for name, values in times.items()}


def replay(graph: torch.cuda.CUDAGraph) -> float:
    """Return the microseconds of one replay."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    graph.replay()
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end)) * 1e3
