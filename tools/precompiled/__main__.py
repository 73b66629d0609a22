"""`python -m tools.precompiled`: the command line, composed where packages of tools may meet."""

from tools.errors import exit_with
from tools.precompiled_install import main

if __name__ == "__main__":
    exit_with(main)
