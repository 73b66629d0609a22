"""The list of the limited API."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from tools.wheel.limited_api import DATA, generate, limited_api


@pytest.mark.skipif(not find_spec("abi3info"), reason="needs abi3info (the group `test`)")
def test_the_list_is_current() -> None:
    """The file is what its generator writes."""
    assert DATA.read_text(encoding="ascii") == generate()


def test_the_list_ends_at_its_version() -> None:
    """Symbols of 3.10 are in it; later, private and version-bound ones are not."""
    assert {"PyModule_Create2", "Py_NewRef", "_Py_Dealloc", "PyBaseObject_Type"} <= limited_api()
    assert not {"PyType_GetName", "_PyRuntime", "PyBytes_AS_STRING", "#"} & limited_api()
