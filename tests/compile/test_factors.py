"""Factors: one canonical text, one key, and no guess about what a value means."""

from __future__ import annotations

import enum
from dataclasses import dataclass, fields, replace
from pathlib import Path

import pytest
import torch

from vllm.compilation.factors import FORMAT, Factors, UnkeyableError, differences, plain


class Colour(enum.Enum):
    """An enumeration."""

    RED = 1


@dataclass
class Point:
    """A value of its fields."""

    x: int
    y: object


BASE = Factors(environment={"A": "1"}, model={"layers": 2, "deep": {"size": 3}})


@pytest.mark.parametrize("kind", [each.name for each in fields(Factors)])
def test_each_kind_of_factor_changes_the_key(kind: str) -> None:
    """And the difference names it."""
    changed = replace(BASE, **{kind: {"A": "2"}})
    assert changed.key != BASE.key
    assert any(each.name.startswith(kind) for each in differences(BASE, changed))


def test_the_order_in_which_factors_are_gathered_says_nothing() -> None:
    """Equal trees have one text."""
    other = Factors(model={"deep": {"size": 3}, "layers": 2}, environment={"A": "1"})
    assert (other.key, differences(BASE, other)) == (BASE.key, [])


def test_differences_name_the_leaf_and_both_values() -> None:
    """A factor that one of them has not is None there."""
    other = replace(BASE, model={"layers": 2, "deep": {"size": 4}, "new": True})
    found = [(each.name, each.before, each.after) for each in differences(BASE, other)]
    assert found == [("model.deep.size", 3, 4), ("model.new", None, True)]


def test_factors_are_read_back_from_their_text() -> None:
    """With the same key; another format is refused."""
    assert Factors.parse(BASE.canonical) == BASE
    assert Factors.parse(BASE.canonical).key == BASE.key
    for text in ("[]", "{}", BASE.canonical.replace(f'"format":{FORMAT}', '"format":1')):
        with pytest.raises(ValueError, match="factors: expected format"):
            Factors.parse(text)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (1.5, 1.5),
        (float("inf"), "inf"),
        (b"\x01", {"bytes": "01"}),
        ((1, [2]), [1, [2]]),
        ({"b", "a"}, ["a", "b"]),
        (Colour.RED, "Colour.RED"),
        (torch.bfloat16, "torch.bfloat16"),
        (torch.device("cuda", 1), "cuda:1"),
        (Point(1, None), {"type": "Point", "x": 1, "y": None}),
        ({1: 2}, {"1": 2}),
    ],
)
def test_values_have_a_plain_form(value: object, expected: object) -> None:
    """Of which JSON can hold every part."""
    assert plain(value, "value") == expected


@pytest.mark.parametrize("value", [object(), lambda: 1, Point(1, object()), [print]])
def test_a_value_without_a_plain_form_is_unkeyable(value: object) -> None:
    """repr would hold an address, and str nothing at all."""
    with pytest.raises(UnkeyableError, match=r"setting.*no canonical form"):
        plain(value, "setting")


def test_a_path_counts_by_what_lies_there(tmp_path: Path) -> None:
    """Two homes with the same file make one key; a folder or nothing makes none."""
    for home in ("one", "two"):
        (tmp_path / home).mkdir()
        (tmp_path / home / "table.json").write_text("{}")
    first, second = (plain(str(tmp_path / home / "table.json"), "t") for home in ("one", "two"))
    assert first == second
    (tmp_path / "two" / "table.json").write_text("{ }")
    assert plain(tmp_path / "two" / "table.json", "t") != first
    for unreadable in (tmp_path, tmp_path / "absent"):
        with pytest.raises(UnkeyableError, match="without readable content"):
            plain(unreadable, "t")
