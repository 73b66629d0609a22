"""Print the canonical factors that this process would compile with; started by tests under other
environments.
"""

from __future__ import annotations

from vllm.compilation.compiler_interface import InductorStandaloneAdaptor
from vllm.compilation.compiler_settings import cpp_compiler
from vllm.compilation.device_factors import device_factors, environment_factors
from vllm.compilation.factors import Factors

if __name__ == "__main__":
    import torch

    factors = Factors(
        environment=environment_factors(),
        compiler=InductorStandaloneAdaptor().factors(),
        device={**device_factors([torch.device("cpu")]), "cpp": cpp_compiler()},
    )
    print(factors.canonical)
