"""What a call has to move and to compute, and the least time in which an H200 could do so."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.gemm_comparison.problems import Problem, masked_rows

# Ceilings measured on an H200: the copy rate; the best that any method reached on e4m3 operands of
# these shapes; bf16 matrices of random data.
BYTES_PER_SECOND = 4.3e12
OPERATIONS_PER_SECOND = {"e4m3": 1.47e15, "bf16": 0.79e15}


@dataclass(frozen=True, kw_only=True)
class Work:
    """Operations, and bytes with each operand read once and the bf16 output written once."""

    operations: int
    bytes: int
    operand: str  # e4m3 or bf16

    @property
    def byte_microseconds(self) -> float:
        return self.bytes / BYTES_PER_SECOND * 1e6

    @property
    def operation_microseconds(self) -> float:
        return self.operations / OPERATIONS_PER_SECOND[self.operand] * 1e6

    @property
    def floor(self) -> float:
        """Microseconds."""
        return max(self.byte_microseconds, self.operation_microseconds)

    @property
    def bound_by(self) -> str:
        return "bytes" if self.byte_microseconds > self.operation_microseconds else "operations"


def work_of(problem: Problem) -> Work:
    """Return what a problem asks for; of masked rows those count that are computed."""
    rows = sum(masked_rows(problem)) if problem.family == "masked" else problem.m * problem.groups
    operand, size = ("bf16", 2) if problem.family == "bf16" else ("e4m3", 1)
    n, k = problem.n, problem.k
    return Work(
        operations=2 * rows * n * k,
        bytes=size * (rows * k + problem.groups * n * k) + 2 * rows * n,
        operand=operand,
    )
