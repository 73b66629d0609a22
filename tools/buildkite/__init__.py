"""CI steps as values: read from `.buildkite`, checked, selected by a change, run here or emitted.

It knows vLLM's step schema and Buildkite's rules for `$`; it refuses to know what the steps test.
"""
