"""Interpreters to build for: which ones requires-python admits, where they are, a bare venv each.

Knows CPython executables and uv; refuses to know what is built with them. The whole job, with its
progress on the terminal, is in tools.interpreters.prepare; what is named here needs packaging only.
"""

from tools.interpreters.facts import Interpreter
from tools.interpreters.search import Found, describe_missing, find_interpreters
from tools.interpreters.venvs import make_venvs
from tools.interpreters.versions import read_requires_python, supported_versions

__all__ = [
    "Found",
    "Interpreter",
    "describe_missing",
    "find_interpreters",
    "make_venvs",
    "read_requires_python",
    "supported_versions",
]
