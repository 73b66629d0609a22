"""Times of GPU work: by events, and of kernels by name from the profiler."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

# More than any L2 cache holds.
FLUSH_BYTES = 256 << 20


def bench(
    fn: Callable[[], object],
    num_warmups: int = 5,
    num_tests: int = 10,
    high_precision: bool = False,
) -> float:
    """Return the mean time of a call by events around all of them.

    Units: seconds.
    `high_precision` puts a large product first, so that the calls are queued before they run.
    """
    import torch

    torch.empty(FLUSH_BYTES, dtype=torch.int8, device="cuda").zero_()
    for _ in range(num_warmups):
        fn()
    if high_precision:
        large = torch.randn(8192, 8192, device="cuda")
        torch.mm(large, large)
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    for _ in range(num_tests):
        fn()
    end.record()
    torch.cuda.synchronize()
    return float(start.elapsed_time(end)) / num_tests / 1e3


def bench_kineto(  # noqa: PLR0917 - DeepGEMM's signature
    fn: Callable[[], object],
    kernel_names: str | tuple[str, ...],
    num_tests: int = 30,
    suppress_kineto_output: bool = False,
    trace_path: str | None = None,
    flush_l2: bool = True,
    with_multiple_kernels: bool = False,
    barrier: Callable[[], object] | None = None,
) -> float | tuple[float, ...]:
    """Return the mean GPU time of the kernels whose names contain each of `kernel_names`.

    Units: seconds; 0 where no kernel has the name.
    The profiler says nothing on its own here: `suppress_kineto_output` changes nothing.
    Raises: ValueError where several kernels share a name, unless `with_multiple_kernels`.
    """
    del suppress_kineto_output
    import torch

    fn()
    torch.cuda.synchronize()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profiler:
        for _ in range(num_tests):
            if flush_l2:
                torch.empty(FLUSH_BYTES, dtype=torch.int8, device="cuda").zero_()
            if barrier is not None:
                torch.cuda._sleep(20_000_000)  # all ranks have queued their call before it runs
                barrier()
            fn()
        torch.cuda.synchronize()
    if trace_path is not None:
        profiler.export_chrome_trace(trace_path)
    names = (kernel_names,) if isinstance(kernel_names, str) else kernel_names
    kernels = [event for event in profiler.key_averages() if event.device_time_total > 0]
    times = tuple(mean_seconds(kernels, name, several=with_multiple_kernels) for name in names)
    return times[0] if isinstance(kernel_names, str) else times


def mean_seconds(
    kernels: list[torch.autograd.profiler_util.FunctionEventAvg], name: str, *, several: bool
) -> float:
    """Return the mean time of a launch over the kernels whose names contain `name`."""
    found = [kernel for kernel in kernels if name in kernel.key]
    if len(found) > 1 and not several:
        listed = ", ".join(kernel.key for kernel in found)
        raise ValueError(f"kernel_names: expected one kernel named {name!r}, got {listed}")
    launches = sum(kernel.count for kernel in found)
    total = sum(kernel.device_time_total for kernel in found)
    return total / launches / 1e6 if launches else 0.0
