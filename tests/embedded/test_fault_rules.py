"""Which requests a fault hits: matching, counting, chance and order, without a broker."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ottla.broker import Fault
from ottla.broker.embedded.faults.rules import Asked, RuleBook
from ottla.broker.embedded.faults.targets import Targets
from ottla.protocol.api_keys import ApiKey


def asked(key=ApiKey.PRODUCE, version=9, client_id="seller", places=(("orders", 0),), groups=(), ids=()) -> Asked:
    return Asked(key, version, client_id, 1, Targets(set(places), set(groups), set(ids)))


def hits_of(fault: Fault, requests: list[Asked]) -> list[bool]:
    book = RuleBook()
    book.add(fault, 0)
    return [book.decide(request, 0, 0) is not None for request in requests]


@pytest.mark.parametrize(
    ("fault", "request_asked", "is_hit"),
    [
        (Fault.disconnect(), asked(), True),
        (Fault.disconnect("Fetch"), asked(), False),
        (Fault.disconnect(["Fetch", "Produce"]), asked(), True),
        (Fault.disconnect("Produce", versions="3-8"), asked(), False),
        (Fault.disconnect("Produce", versions=9), asked(), True),
        (Fault.disconnect(client_id="seller"), asked(), True),
        (Fault.disconnect(client_id="buyer"), asked(), False),
        (Fault.disconnect(client_id="buyer"), asked(client_id=None), False),
        (Fault.disconnect(topic="orders"), asked(), True),
        (Fault.disconnect(topic="orders", partition=1), asked(), False),
        (Fault.disconnect(partition=0), asked(), True),
        (Fault.disconnect(topic="orders", partition=1), asked(places=[("orders", 0), ("bills", 1)]), False),
        (Fault.disconnect(topic="orders", partition=1), asked(ApiKey.METADATA, places=[("orders", None)]), True),
        (Fault.disconnect(topic="orders"), asked(ApiKey.METADATA, places=[(None, None)]), True),
        (Fault.disconnect(topic="orders"), asked(ApiKey.METADATA, places=[]), False),
        (Fault.disconnect(group="billing"), asked(ApiKey.HEARTBEAT, groups=["billing"]), True),
        (Fault.disconnect(group="billing"), asked(ApiKey.HEARTBEAT, groups=["other"]), False),
        (Fault.disconnect(transactional_id="t"), asked(ids=["t"]), True),
        (Fault.disconnect(transactional_id="t"), asked(), False),
        (Fault.coordinator_unavailable(), asked(ApiKey.INIT_PRODUCER_ID, places=[]), False),
        (Fault.coordinator_unavailable(), asked(ApiKey.INIT_PRODUCER_ID, places=[], ids=["t"]), True),
        (Fault.coordinator_unavailable(group="g"), asked(ApiKey.END_TXN, places=[], ids=["t"]), False),
        (Fault.coordinator_unavailable(), asked(), False),
        (Fault.error("Fetch", 70, at="request"), asked(ApiKey.FETCH, 6), False),
        (Fault.error("Fetch", 70, at="request"), asked(ApiKey.FETCH, 7), True),
        (Fault.freeze(), asked(), False),
        (Fault.disk_full(), asked(), False),
    ],
)
def test_matching(fault, request_asked, is_hit):
    assert hits_of(fault, [request_asked]) == [is_hit]


@given(times=st.none() | st.integers(1, 20), after=st.integers(0, 20), requests=st.integers(0, 60))
def test_after_and_times(times, after, requests):
    hit = hits_of(
        Fault.disconnect("Produce", after=after, **({} if times is None else {"times": times})), [asked()] * requests
    )
    expected = [number >= after and (times is None or number < after + times) for number in range(requests)]
    assert hit == expected


@given(seed=st.integers(0, 1 << 40), probability=st.floats(0.01, 1.0), times=st.integers(1, 30))
def test_chance_is_the_seeds(seed, probability, times):
    fault = Fault.disconnect("Produce", probability=probability, seed=seed, times=times)
    hit = hits_of(fault, [asked()] * 100)
    assert hit == hits_of(fault, [asked()] * 100)
    assert sum(hit) <= times
    chance = random.Random(seed)
    drawn = [chance.random() < probability for _ in range(100)]
    if sum(drawn) <= times and probability < 1.0:
        assert hit == drawn


@given(st.lists(st.booleans(), max_size=60), st.integers(0, 5), st.integers(1, 5))
def test_what_does_not_match_is_not_counted(order, after, times):
    others = asked(ApiKey.FETCH)
    hit = hits_of(Fault.disconnect("Produce", after=after, times=times), [asked() if own else others for own in order])
    assert not any(was_hit for was_hit, own in zip(hit, order, strict=True) if not own)
    assert sum(hit) == min(times, max(sum(order) - after, 0))


@given(st.lists(st.sampled_from(["Produce", "Fetch"]), min_size=1, max_size=6), st.data())
def test_the_first_that_hits_decides(apis, data):
    book = RuleBook()
    rules = [book.add(Fault.disconnect(api, times=data.draw(st.integers(1, 3))), 0) for api in apis]
    left = {id(rule): rule.fault.times for rule in rules}
    for _ in range(20):
        key = data.draw(st.sampled_from([ApiKey.PRODUCE, ApiKey.FETCH]))
        expected = next((rule for rule in rules if key in rule.fault.apis and left[id(rule)]), None)
        assert book.decide(asked(key), 0, 0) is expected
        if expected is not None:
            left[id(expected)] -= 1
            assert expected.is_over == (not left[id(expected)])
    assert [rule for rule in rules if left[id(rule)]] == book.rules


def test_one_that_counts_leaves_the_request_to_the_next():
    book = RuleBook()
    first, second = book.add(Fault.disconnect(after=1), 0), book.add(Fault.lose_answer(), 0)
    assert [book.decide(asked(), 0, 0) for _ in range(2)] == [second, first]


@given(st.floats(0.001, 100.0), st.integers(0, 200_000))
def test_the_end_of_time(seconds, now_ms):
    book = RuleBook()
    rule = book.add(Fault.disconnect(seconds=seconds), 1000)
    is_hit = book.decide(asked(), 1000 + now_ms, 0) is rule
    assert is_hit == (now_ms < int(seconds * 1000))
    assert rule.is_over == (not is_hit)
    assert book.has_request_rules == is_hit


def test_removed_and_cleared():
    book = RuleBook()
    first, second = book.add(Fault.disconnect(), 0), book.add(Fault.lose_answer(), 0)
    book.remove(first)
    book.remove(first)
    assert first.is_over
    assert book.decide(asked(), 0, 0) is second
    book.clear()
    assert (second.is_over, book.rules, book.history, book.has_request_rules) == (True, [], [], False)


def test_the_history():
    book = RuleBook()
    book.add(Fault.disconnect("Produce", times=2), 0)
    for number in range(4):
        book.decide(asked(client_id=f"client-{number}"), 0, 1000 + number)
    assert [(hit.api, hit.api_version, hit.client_id, hit.time_ms) for hit in book.history] == [
        ("Produce", 9, "client-0", 1000),
        ("Produce", 9, "client-1", 1001),
    ]
    assert str(book.history[0]) == "Produce 9 of client-0: disconnect on Produce, times=2"


def test_the_history_is_bounded():
    book = RuleBook()
    book.add(Fault.disconnect(), 0)
    for number in range(10_005):
        book.decide(asked(), 0, number)
    assert (len(book.history), book.history[0].time_ms) == (10_000, 5)


@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 5_000)), max_size=30), st.integers(1, 100_000))
def test_a_line_carries_no_more_than_it_can(sent, bytes_per_second):
    rule = RuleBook().add(Fault.throttle(bytes_per_second), 0)
    now_ms = free_ms = 0
    for size_bytes, pause_ms in sent:
        now_ms += pause_ms
        carried_ms = rule.carried_at_ms(size_bytes, now_ms)
        assert carried_ms >= max(now_ms, free_ms)
        assert carried_ms == max(now_ms, free_ms) + size_bytes * 1000 // bytes_per_second
        free_ms = carried_ms
