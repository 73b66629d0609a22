"""The wheel and its audits: ELF files, platform tag, names, RECORD, imports, reproducible archives.

Knows wheels and shared objects as bytes. Refuses to know CMake, CUDA and torch, and how
interpreters are found.
"""
