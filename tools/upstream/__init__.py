"""An upstream DeepGEMM checkout and the torch that it is compiled against, as facts.

Knows the layout of deepseek-ai/DeepGEMM and of a torch wheel. Imports no torch, compiles nothing,
and refuses to know CMake.
"""
