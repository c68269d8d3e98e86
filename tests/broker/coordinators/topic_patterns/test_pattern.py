"""Patterns of topic names: what matches, what is refused, and how long either takes at most."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ottla.broker.coordinators.topic_patterns.pattern import PatternError, TopicPattern


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("", [""], ["a"]),
        ("foo", ["foo"], ["foo2", "xfoo", "Foo"]),
        ("foo.*", ["foo", "foo.bar"], ["fo"]),
        (r"foo\.bar", ["foo.bar"], ["foo-bar"]),
        ("a|b|cd", ["a", "b", "cd"], ["c", "ab"]),
        ("(a|ab)(c|bcd)*", ["a", "ab", "abcd", "abc"], ["b"]),
        ("a{2,3}", ["aa", "aaa"], ["a", "aaaa"]),
        ("a{2}", ["aa"], ["a"]),
        ("a{2,}", ["aa", "aaaaa"], ["a"]),
        ("a{0}", [""], ["a"]),
        ("a{,2}", ["a{,2}"], ["aa"]),
        ("x{2", ["x{2"], ["xx"]),
        ("a+?b??", ["a", "aab"], ["b"]),
        ("[a-c]", ["a", "c"], ["d", "A"]),
        ("[^a-c]", ["d", "-"], ["a"]),
        ("[]a]", ["a"], ["b"]),
        ("[a-]", ["a", "-"], ["b"]),
        (r"[\d._-]+", ["1.2_3-"], ["a"]),
        ("[[:alpha:]]+", ["aZ"], ["1"]),
        ("[[:^alpha:]]+", ["1-"], ["a"]),
        (r"\d\D\w\W", ["1-a-"], ["aa"]),
        (r"\pL\p{Lu}\PN\p{^Lu}", ["aBca"], ["abca"]),
        (r"\p{Greek}|\p{Latin}", ["a"], ["1"]),
        ("(?i)ABC", ["abc", "aBc"], ["ab"]),
        ("(?i:a)b", ["Ab"], ["AB"]),
        ("(?i)a(?-i)b", ["Ab"], ["AB"]),
        ("(?i)[k-l]\u017f", ["KS", "ls"], ["ma"]),
        ("^foo$", ["foo"], ["foo1"]),
        (r"\Afoo\z", ["foo"], ["foo1"]),
        ("a^b", [], ["ab"]),
        (r"\bfoo\b-\Bx?", ["foo-"], ["foox", "foo-x"]),
        (r"\Qa.b\E+", ["a.b", "a.bb"], ["axb"]),
        (r"\Qa.b", ["a.b"], ["axb"]),
        (r"\x61\x{62}\143\055", ["abc-"], ["abc"]),
        ("(?P<n>a)(?<m>b)", ["ab"], ["a"]),
        (r"[^\x00-\x{10FFFF}]", [], ["a", ""]),
        ("(?s).|(?U)b*", ["a", "bb"], ["ab"]),
        ("é|a", ["a"], ["e"]),
    ],
)
def test_matches(pattern, matching, others):
    compiled = TopicPattern(pattern)
    assert [name for name in [*matching, *others] if compiled.matches(name)] == matching


@pytest.mark.parametrize(
    ("pattern", "description"),
    [
        ("a(", "missing closing )"),
        ("a)", "regexp/syntax: internal error"),
        ("[a", "missing closing ]"),
        ("[", "missing closing ]"),
        ("a**", "invalid nested repetition operator"),
        ("a{2}{3}", "invalid nested repetition operator"),
        ("{*", "invalid nested repetition operator"),
        ("*", "missing argument to repetition operator"),
        ("(*a)", "missing argument to repetition operator"),
        ("a|*", "missing argument to repetition operator"),
        ("a{1001}", "invalid repeat count"),
        ("a{2,1}", "invalid repeat count"),
        ("(a{1000}){1000}", "invalid repeat count"),
        ("(?z)", "invalid or unsupported Perl syntax"),
        ("(?=a)", "invalid or unsupported Perl syntax"),
        ("(?i-)", "invalid or unsupported Perl syntax"),
        ("(?", "invalid or unsupported Perl syntax"),
        ("(?P<>a)", "invalid named capture"),
        ("(?<=a)", "invalid named capture"),
        ("(?P<n>a)(?P<n>b)", "duplicate capture group name"),
        ("\\", "trailing backslash at end of expression"),
        (r"\8", "invalid escape sequence"),
        (r"\1", "invalid escape sequence"),
        (r"\C", "invalid escape sequence"),
        (r"\x{110000}", "invalid escape sequence"),
        (r"\xg1", "invalid escape sequence"),
        ("[b-a]", "invalid character class range"),
        (r"\pX", "invalid character class range"),
        (r"\p{Nope}", "invalid character class range"),
        ("[[:what:]]", "invalid character class range"),
        ("[[:]", "invalid character class range"),
        ("(" * 101 + ")" * 101, "expression nests too deeply"),
    ],
)
def test_refuses(pattern, description):
    with pytest.raises(PatternError) as refused:
        TopicPattern(pattern)
    assert refused.value.description == description


@pytest.mark.parametrize("pattern", ["(a+)+b", "(a|a)*b", "(a|aa)+b", "(.*)*x", "(a?){200}a{200}b"])
def test_hostile_expressions_cost_no_more_than_others(pattern):
    """A backtracking matcher would not come back from any of these."""
    assert not TopicPattern(pattern).matches("a" * 249)


def test_the_memory_of_what_was_worked_out_is_bounded():
    pattern = TopicPattern("(a|b)*a(a|b){12}")
    names = [format(number, "b").replace("0", "a").replace("1", "b") for number in range(6_000)]
    expected = re.compile("(a|b)*a(a|b){12}")
    assert [pattern.matches(name) for name in names] == [bool(expected.fullmatch(name)) for name in names]
    assert len(pattern._spots) <= 2_001


PIECES = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", "a*", "b+", "(ab)?", "(a|b)", "a{1,2}", "\\w", "-", "x|y"])


@settings(deadline=None)
@given(pieces=st.lists(PIECES, min_size=1, max_size=5), name=st.text("abxy-", max_size=6))
def test_agrees_with_a_backtracking_matcher(pieces, name):
    text = "".join(pieces)
    assert TopicPattern(text).matches(name) == bool(re.fullmatch(text, name, re.ASCII))
