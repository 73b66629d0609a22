"""Interpreters to build for: which ones requires-python admits, where they are, a bare venv each.

Knows CPython executables and uv; refuses to know what is built with them.
"""

from tools.interpreters.facts import Interpreter
from tools.interpreters.prepare import Plan, Prepared, plan_interpreters, prepare_interpreters
from tools.interpreters.search import Found, describe_missing, find_interpreters
from tools.interpreters.venvs import make_venvs
from tools.interpreters.versions import read_requires_python, supported_versions

__all__ = [
    "Found",
    "Interpreter",
    "Plan",
    "Prepared",
    "describe_missing",
    "find_interpreters",
    "make_venvs",
    "plan_interpreters",
    "prepare_interpreters",
    "read_requires_python",
    "supported_versions",
]
