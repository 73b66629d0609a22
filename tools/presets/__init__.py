"""CMakeUserPresets.json of this machine: what it can bear, and the presets that say so.

It knows machines, presets and the file that a person may have written to; it refuses to know how
nvcc is chosen (tools/toolchain) and what is compiled (CMake).
"""
