"""Topics read from consumers' metadata."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ottla.broker.coordinators.subscription import subscribed_topics

from .playbook import subscription


def test_topics_of_all_members():
    assert subscribed_topics([subscription("a", "b"), subscription("b", "c")]) == {"a", "b", "c"}


def test_later_versions_begin_with_the_first():
    assert subscribed_topics([b"\x00\x03" + subscription("a")[2:] + b"\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff"]) == {
        "a"
    }


@pytest.mark.parametrize("metadata", [b"", b"\x00", b"\x00\x00", b"\x00\x00\x00\x00\x00\x01"])
def test_one_that_cannot_be_read_makes_all_unknown(metadata):
    assert subscribed_topics([subscription("a"), metadata]) is None


@given(st.binary(max_size=64))
def test_any_bytes_are_read_or_not(metadata):
    topics = subscribed_topics([metadata])
    assert topics is None or isinstance(topics, frozenset)
