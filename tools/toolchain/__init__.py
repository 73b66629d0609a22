"""Which nvcc compiles our cubins: the machine's, or that of pinned wheels where it has none.

It knows toolkits and where they lie; it refuses to know CMake and what is compiled.
"""

from tools.toolchain.toolkit import Toolkit, find_toolkit, missing_requirements, require_toolkit
from tools.toolchain.wheels import keep

__all__ = ["Toolkit", "find_toolkit", "keep", "missing_requirements", "require_toolkit"]
