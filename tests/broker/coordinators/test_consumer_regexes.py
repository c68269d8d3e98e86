"""Regular expressions of a consumer group: when they are resolved, and what that brings."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ottla.protocol.errors import ErrorCode

from .consumer_bench import AT_ONCE, REBALANCE_MS, ConsumerBench

REFRESH_MS = 10_000


@pytest.fixture
def bench():
    bench = ConsumerBench()
    for name in ("logs.a", "logs.b", "other"):
        bench.topic(name, 2)
    return bench


def join(bench, member, regex, **said):
    return bench.beat(member, 0, {}, subscribed_topic_regex=regex, rebalance_timeout_ms=REBALANCE_MS, **said)


def test_the_first_answer_comes_before_the_expression_is_resolved(bench):
    answer = join(bench, "a", "logs\\..*")
    assert (answer.member_epoch, bench.told(answer)) == (1, {})
    assert bench.written() == ["MemberMetadata", "CurrentMemberAssignment", "RegularExpression", "Metadata"]
    assert bench.group.epoch == 2
    assert bench.told(bench.beat("a", 1)) == {"logs.a": [0, 1], "logs.b": [0, 1]}
    assert bench.beat("a", 2).assignment is None


def test_a_second_member_finds_it_resolved(bench):
    join(bench, "a", "logs.*")
    bench.beat("a", 1)
    written = len(bench.log)
    answer = join(bench, "b", "logs.*")
    assert answer.member_epoch == 3
    assert "RegularExpression" not in bench.written(written)
    assert bench.group.subscriptions.is_homogeneous(2)


def test_new_topics_are_seen_ten_seconds_later_at_the_soonest(bench):
    join(bench, "a", "logs.*")
    bench.beat("a", 1)
    bench.topic("logs.c", 1)
    bench.advance(REFRESH_MS)
    bench.beat("a", 2)
    assert bench.group.epoch == 2
    bench.advance(1)
    bench.beat("a", 2)
    assert bench.group.epoch == 3
    assert bench.told(bench.beat("a", 2)) == {"logs.a": [0, 1], "logs.b": [0, 1], "logs.c": [0]}


def test_a_new_topic_that_does_not_match_moves_nobody(bench):
    join(bench, "a", "logs.*")
    bench.beat("a", 1)
    bench.topic("metrics", 1)
    bench.advance(REFRESH_MS + 1)
    written = len(bench.log)
    bench.beat("a", 2)
    assert bench.written(written) == ["RegularExpression"]
    bench.beat("a", 2)
    assert len(bench.log) == written + 1


def test_all_are_resolved_again_when_the_refresh_interval_has_passed(bench):
    bench.configs.settings = replace(AT_ONCE, regex_refresh_interval_ms=30_000)
    join(bench, "a", "logs.*")
    bench.beat("a", 1)
    written = len(bench.log)
    bench.advance(30_000)
    bench.beat("a", 2)
    assert len(bench.log) == written
    bench.advance(1)
    bench.beat("a", 2)
    assert bench.written(written) == ["RegularExpression"]


def test_an_expression_goes_with_its_last_member(bench):
    join(bench, "a", "logs.*")
    join(bench, "b", "logs.*")
    bench.beat("a", -1)
    assert set(bench.group.subscriptions.resolved) == {"logs.*"}
    bench.beat("b", -1)
    assert bench.group.subscriptions.resolved == {}
    assert bench.group.subscriptions.topics == {}


def test_another_expression_takes_the_place_of_the_first(bench):
    join(bench, "a", "logs.*")
    bench.beat("a", 1)
    bench.advance(REFRESH_MS + 1)
    bench.beat("a", 2, subscribed_topic_regex="other")
    assert set(bench.group.subscriptions.resolved) == {"other"}
    assert bench.group.is_subscribed_to("other")
    assert not bench.group.is_subscribed_to("logs.a")


def test_names_and_an_expression_at_once(bench):
    join(bench, "a", "logs\\.a", subscribed_topic_names=["other"])
    answer = bench.beat("a", 2)
    assert bench.told(answer) == {"logs.a": [0, 1], "other": [0, 1]}


def test_different_expressions_are_not_the_same_subscription(bench):
    join(bench, "a", "logs.a")
    bench.advance(REFRESH_MS + 1)
    join(bench, "b", "logs.b")
    bench.beat("b", bench.group.members["b"].epoch)
    assert not bench.group.subscriptions.is_homogeneous(2)
    assert {bench.group.subscriptions.topics_of(member) for member in bench.group.members.values()} == {
        frozenset({"logs.a"}),
        frozenset({"logs.b"}),
    }


def test_what_is_no_expression(bench):
    answer = join(bench, "a", "a(")
    assert (answer.error_code, answer.error_message) == (
        ErrorCode.INVALID_REGULAR_EXPRESSION,
        "SubscribedTopicRegex `a(` is not a valid regular expression: missing closing ).",
    )
    assert bench.log == []


def test_an_empty_expression_is_none(bench):
    answer = join(bench, "a", "")
    assert (answer.error_code, answer.member_epoch) == (0, 1)
    assert bench.group.subscriptions.members_by_regex == {}


def test_a_resolution_that_is_not_written_comes_with_the_next_heartbeat(bench):
    append = bench._write

    def refuse_the_next(records):
        append(records)
        bench.refuse = ErrorCode.NOT_LEADER_OR_FOLLOWER
        bench._write = append

    bench._write = refuse_the_next
    join(bench, "a", "logs.*")
    assert bench.group.subscriptions.resolved == {}
    bench.beat("a", 1)
    assert bench.told(bench.beat("a", 1)) == {"logs.a": [0, 1], "logs.b": [0, 1]}


def test_after_a_restart(bench):
    join(bench, "a", "logs.*")
    bench.restart()
    assert bench.told(bench.beat("a", 1)) == {"logs.a": [0, 1], "logs.b": [0, 1]}
