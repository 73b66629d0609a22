"""What tools show is shown as it is, whatever characters it has."""

from __future__ import annotations

import pytest

from tools import console


def test_brackets_in_titles_reasons_and_cells_are_no_markup(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Paths and the errors of other programs may hold them, closing tags too."""
    with console.step("read [/opt/a]"):
        raise console.Skip("see [/docs] or [env: X]")
    console.table("found", ("path",), [("[/opt/b]",)])
    said = capsys.readouterr().err
    for text in ("read [/opt/a]", "see [/docs] or [env: X]", "[/opt/b]"):
        assert text in said
