"""How many compilers at a time a machine bears."""

from __future__ import annotations

from dataclasses import dataclass

from tools.presets.machine import Machine

# Peak of one process, measured: 0.12 GiB for a cubin of ours and a host source (nvcc 13.0, GCC 12).
# What includes a tensor library's headers takes several times that, so these leave room for it.
NVCC_BYTES = 1 << 30
CXX_BYTES = 1 << 29
LINK_BYTES = 1 << 30
# nvcc compiles one architecture a thread; more of them than this waits for the slowest.
MOST_THREADS = 4


@dataclass(frozen=True, kw_only=True)
class Jobs:
    """Processes at a time, by kind; `all` bounds their sum."""

    all: int
    compile: int
    cuda: int
    link: int
    nvcc_threads: int

    @classmethod
    def plan(cls, machine: Machine, *, architectures: int = 1, wanted: int | None = None) -> Jobs:
        """Return what fits into processors and memory; a wanted number is taken at its word."""
        threads = max(1, min(MOST_THREADS, architectures, wanted or int(machine.cores)))

        def fit(size: int, width: int = 1) -> int:
            by_memory = wanted or machine.memory // (size * width)
            return max(1, min((wanted or int(machine.cores)) // width, by_memory))

        compiles = fit(CXX_BYTES)
        return cls(
            all=compiles,
            compile=compiles,
            cuda=fit(NVCC_BYTES, threads),
            link=fit(LINK_BYTES),
            nvcc_threads=threads,
        )

    def pools(self) -> str:
        """Spell them as CMAKE_JOB_POOLS wants them."""
        return f"compile={self.compile};cuda={self.cuda};link={self.link}"
