"""A presets file keeps every byte that is not ours."""

from __future__ import annotations

import json

import pytest

from tools.presets.document import Document
from tools.presets.errors import InvalidPresetsError

MINE = '{"name":"mine",   "inherits" : "base", "displayName": "\\u00e4 {[,]} \\"", "n": 1e3}'
OURS = {"name": "release", "jobs": 2}
SHAPES = (
    '{"version": 6, "configurePresets": [%s]}',
    '{\r\n "configurePresets" : [ %s\r\n ] ,\r\n "version": 6\r\n}\r\n',
    '{"version":3,"configurePresets":[\n\t{"name":"release","old":true},\n\t%s],"buildPresets":[]}',
    '{"version":10,"configurePresets":[%s,{"name":"release"}  ],"vendor":{"a":[1]}}\n\n',
)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_preset_that_a_person_added_keeps_its_bytes(shape: str) -> None:
    """Whatever blanks, escapes and order they chose; ours is replaced or comes last."""
    before = Document.parse("f", (shape % MINE).encode())
    after = before.with_schema().with_preset("configurePresets", OURS)
    after = after.with_preset("buildPresets", OURS)
    assert after.text.count(MINE) == 1
    value = json.loads(after.text)
    assert [each for each in value["configurePresets"] if each["name"] == "release"] == [OURS]
    assert value["buildPresets"] == [OURS]
    assert value["version"] == max(6, json.loads(before.text)["version"])
    assert ("\r\n" in before.text) == (after.text.count("\r\n") == after.text.count("\n"))
    again = after.with_preset("configurePresets", OURS).with_preset("buildPresets", OURS)
    assert again == after


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b'{"version": 6,}', "in line 1, column"),
        (b"", "Expecting value in line 1, column 1"),
        (b"// mine\n{}", "Expecting value in line 1"),
        (b"[]", "found list"),
        (b"{}", 'no number under "version"'),
        (b'{"version": 6, "version": 6}', "twice"),
        (b'{"version": 6, "buildPresets": {}}', 'no list of objects under "buildPresets"'),
        (b'{"version": 6, "configurePresets": [1]}', 'under "configurePresets"'),
        (b'\xff{"version": 6}', "decode"),
    ],
)
def test_a_file_that_is_no_presets_is_refused(text: bytes, found: str) -> None:
    """The message names the file and where it is wrong."""
    with pytest.raises(InvalidPresetsError) as caught:
        Document.parse("CMakeUserPresets.json", text)
    assert "CMakeUserPresets.json: expected CMake presets" in str(caught.value)
    assert found in str(caught.value)
