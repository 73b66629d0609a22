"""Precompiled binaries of a wheel, put into a checkout without touching one of its source files.

Knows wheels (where they are, what is in them), git's word on files, and how to write whole or not
at all. Refuses to know ELF: who reads libraries is passed in (`tools.precompiled_install`
composes).
"""
