"""What the persistent build folder was made of, what went stale since, what a change touches.

It knows ninja's graph, git's list of changes and how to ask compilers for their version; it refuses
to know presets and how a toolkit is chosen. Standard library only: CMake runs it at each configure.
"""
