from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ottla.broker.config.errors import ConfigError
from ottla.broker.config.properties import Property, parse_properties


def read(text):
    return list(parse_properties(text, "server.properties"))


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("a=b", "a", "b"),
        ("a:b", "a", "b"),
        ("a b", "a", "b"),
        ("a = b ", "a", "b "),
        ("  a\t:\tb=c", "a", "b=c"),
        ("a==b", "a", "=b"),
        ("a", "a", ""),
        ("a=", "a", ""),
        (r"a\=b\:c\ d=e", "a=b:c d", "e"),
        (r"a=\u0041\t\n\\\q", "a", "A\t\n\\q"),
        (r"a=\ud83d\ude00", "a", "\N{GRINNING FACE}"),
        ("a=C:\\\\logs", "a", "C:\\logs"),
        ("a=b#c!d", "a", "b#c!d"),
        ("a=b,\\\n   c", "a", "b,c"),
        ("a=b\\\r\n\tc", "a", "bc"),
        ("a=b\\\\", "a", "b\\"),
        ("a=b\\", "a", "b"),
    ],
)
def test_an_entry_is_read_as_java_reads_it(text, key, value):
    assert read(text) == [Property(key, value, 1)]


def test_comments_blank_lines_and_line_numbers():
    text = "# one\n\n  ! two\na=1\\\n  2\n#b=3\nc=4\r\nd=5\re=6"
    assert read(text) == [Property("a", "12", 4), Property("c", "4", 7), Property("d", "5", 8), Property("e", "6", 9)]


def test_a_continued_comment_is_no_continuation():
    assert read("# a\\\nb=1") == [Property("b", "1", 2)]


def test_a_repeated_key_is_kept_for_the_caller_to_decide():
    assert [entry.value for entry in read("a=1\na=2")] == ["1", "2"]


@pytest.mark.parametrize("escape", [r"\u", r"\u12", r"\uzzzz"])
def test_a_malformed_escape_names_its_line(escape):
    with pytest.raises(ConfigError, match=r"^server\.properties:2: malformed"):
        read(f"a=1\nb={escape}")


@given(st.text(max_size=200))
def test_any_text_gives_entries_or_a_config_error(text):
    try:
        entries = read(text)
    except ConfigError:
        return
    assert all(entry.line >= 1 for entry in entries)
