"""`python -m tools.precompiled`: runs the module that composes this package with the ELF reader."""

import runpy

if __name__ == "__main__":
    runpy.run_module("tools.precompiled_install", run_name="__main__")
