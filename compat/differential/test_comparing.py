"""The parts of a comparison by themselves: what counts as a difference, and what a known gap covers."""

from __future__ import annotations

import pytest

from .compare import Difference, differences
from .gaps import known_gaps
from .play import Step


def found(ours, theirs):
    return [(one.path, one.ours, one.theirs) for one in differences([Step("X v0", ours)], [Step("X v0", theirs)])]


def test_equal_answers_do_not_differ():
    assert found({"a": [1, {"b": None}]}, {"a": [1, {"b": None}]}) == []


def test_every_field_is_its_own_difference():
    assert found({"a": [1, 2], "b": "x"}, {"a": [1, 3], "b": "y"}) == [("a[1]", 2, 3), ("b", "x", "y")]


def test_zero_is_not_false_and_null_is_not_empty():
    assert found({"a": 0, "b": None}, {"a": False, "b": ""}) == [("a", 0, False), ("b", None, "")]


def test_entries_with_names_are_compared_by_name():
    ours, theirs = [{"name": "a"}, {"name": "b"}], [{"name": "b"}]
    assert found({"t": ours}, {"t": theirs}) == [("t[a]", {"name": "a"}, "<absent>")]
    assert found({"t": ours}, {"t": ours[::-1]}) == [("t[order]", ["a", "b"], ["b", "a"])]


def test_a_transcript_that_is_longer_differs():
    step = Step("X v0", {})
    assert len(differences([step, step], [step])) == 1


@pytest.mark.parametrize(
    ("field", "versions", "path", "version", "covered"),
    [
        ("t[].code", "0+", "t[3].code", 1, True),
        ("t[3].code", "0+", "t[3].code", 1, True),
        ("t[4].code", "0+", "t[3].code", 1, False),
        ("t[3]*", "0+", "t[3].code", 1, True),
        ("t[].code", "2+", "t[3].code", 1, False),
        ("t[]", "0+", "t[3].code", 1, False),
    ],
)
def test_what_a_gap_covers(tmp_path, field, versions, path, version, covered):
    file = tmp_path / "gaps.toml"
    file.write_text(f'[[gap]]\ncase = "api/*"\nfields = ["{field}"]\nversions = "{versions}"\nreason = "r"\n')
    [gap] = known_gaps(file)
    assert gap.covers("api/case", version, Difference(1, "X", path, 0, 1)) == covered
    assert not gap.covers("other/case", version, Difference(1, "X", path, 0, 1))


def test_a_gap_needs_a_reason(tmp_path):
    file = tmp_path / "gaps.toml"
    file.write_text('[[gap]]\ncase = "a/b"\nfields = ["x"]\n')
    with pytest.raises(KeyError):
        known_gaps(file)
