"""The orchestration library: facts about builds, wheels and machines, and effects that use them.

It knows the standard library, packaging, PyYAML and rich; it refuses to know nox, Invoke, torch and
vllm. The packages in here don't import one another: a module of this folder composes them.
"""
