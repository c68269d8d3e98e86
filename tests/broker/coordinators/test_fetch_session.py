"""Fetch sessions: epochs, what is told and what is left out, turns, and who must leave when there is no room."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from ottla.broker.coordinators.fetch_session import EVICTION_MS, FetchSessionCache
from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.fetch import (
    EpochEndOffset,
    FetchPartition,
    FetchRequest,
    FetchTopic,
    ForgottenTopic,
    PartitionData,
)

NAMES = {b"a" * 16: "a", b"b" * 16: "b"}
IDS = {name: topic_id for topic_id, name in NAMES.items()}


def cache(slots=10):
    return FetchSessionCache(slots, itertools.count(1).__next__)


def request(*wanted, session_id=0, epoch=0, forget=(), version=12):
    """`wanted` and `forget` are (topic, partition), or (topic, partition, offset)."""

    def names(topic):
        return {"topic_id": IDS.get(topic, b"?" * 16)} if version >= 13 else {"topic": topic}

    return FetchRequest(
        session_id=session_id,
        session_epoch=epoch,
        topics=[
            FetchTopic(
                partitions=[
                    FetchPartition(partition=index, fetch_offset=offset[0] if offset else 0, partition_max_bytes=100)
                ],
                **names(topic),
            )
            for topic, index, *offset in wanted
        ],
        forgotten_topics_data=[ForgottenTopic(partitions=[index], **names(topic)) for topic, index in forget],
    )


class Client:
    """Sends fetches to a cache and answers them from `data`; what it was told comes back."""

    def __init__(self, sessions=None, version=12):
        self.sessions = cache() if sessions is None else sessions
        self.version = version
        self.data = {}
        self.now_ms = 0

    def fetch(self, *wanted, privileged=False, **fields):
        """(error, session id, the partitions told)."""
        context = self.open(*wanted, privileged=privileged, **fields)
        return self.finish(context)

    def open(self, *wanted, privileged=False, **fields):
        asked = request(*wanted, version=self.version, **fields)
        return self.sessions.open(asked, self.version, NAMES.get, self.now_ms, is_privileged=privileged)

    def finish(self, context):
        answers = [(p, self.data.get(p.partition) or PartitionData(high_watermark=0)) for p in context.partitions]
        error, session_id, told = context.finish(answers, self.now_ms)
        return error, session_id, [partition.partition for partition, _ in told]


@pytest.fixture
def client():
    return Client()


def data(high_watermark=0, records=b"", **fields):
    return PartitionData(high_watermark=high_watermark, records=records, **fields)


def test_a_full_fetch_opens_a_session_and_tells_everything(client):
    assert client.fetch(("a", 0), ("a", 1)) == (ErrorCode.NONE, 1, [0, 1])
    assert client.sessions.get(1).epoch == 1


def test_nothing_changed_nothing_told(client):
    client.fetch(("a", 0), ("a", 1))
    assert client.fetch(session_id=1, epoch=1) == (ErrorCode.NONE, 1, [])


@pytest.mark.parametrize(
    "change",
    [
        data(records=b"x"),
        data(high_watermark=1),
        data(log_start_offset=1),
        data(preferred_read_replica=3),
        data(diverging_epoch=EpochEndOffset(epoch=1, end_offset=2)),
        data(error_code=ErrorCode.OFFSET_OUT_OF_RANGE),
    ],
)
def test_what_changed_is_told(client, change):
    client.fetch(("a", 0), ("a", 1))
    client.data[1] = change
    assert client.fetch(session_id=1, epoch=1) == (ErrorCode.NONE, 1, [1])


def test_an_error_is_told_each_time_and_its_end_too(client):
    client.fetch(("a", 0))
    client.data[0] = data(high_watermark=-1, error_code=ErrorCode.OFFSET_OUT_OF_RANGE)
    assert client.fetch(session_id=1, epoch=1)[2] == [0]
    assert client.fetch(session_id=1, epoch=2)[2] == [0]
    client.data[0] = data()
    assert client.fetch(session_id=1, epoch=3)[2] == [0]
    assert client.fetch(session_id=1, epoch=4)[2] == []


def test_the_epoch_must_be_the_next_one(client):
    client.fetch(("a", 0))
    assert client.fetch(session_id=1, epoch=2) == (ErrorCode.INVALID_FETCH_SESSION_EPOCH, 0, [])
    assert client.fetch(session_id=1, epoch=1)[0] is ErrorCode.NONE
    assert client.fetch(session_id=1, epoch=1) == (ErrorCode.INVALID_FETCH_SESSION_EPOCH, 0, [])


def test_the_epoch_after_the_largest_is_one(client):
    client.fetch(("a", 0))
    largest = (1 << 31) - 1
    client.sessions.get(1).epoch = largest
    assert client.fetch(session_id=1, epoch=largest)[0] is ErrorCode.NONE
    assert client.fetch(session_id=1, epoch=1)[0] is ErrorCode.NONE


@pytest.mark.parametrize(("session_id", "epoch"), [(7, 1), (0, 1), (7, -2)])
def test_a_session_that_is_not_there(client, session_id, epoch):
    client.fetch(("a", 0))
    answer = client.fetch(session_id=session_id, epoch=epoch)
    assert answer == (ErrorCode.FETCH_SESSION_ID_NOT_FOUND, 0, [])


@pytest.mark.parametrize(("first", "then"), [(12, 13), (13, 12)])
def test_a_session_goes_on_by_name_or_by_id_as_it_began(first, then):
    client = Client(version=first)
    client.fetch(("a", 0))
    client.version = then
    assert client.fetch(session_id=1, epoch=1) == (ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR, 0, [])


def test_the_final_epoch_closes_and_opens_none(client):
    client.fetch(("a", 0))
    assert client.fetch(("a", 1), session_id=1, epoch=-1) == (ErrorCode.NONE, 0, [1])
    assert len(client.sessions) == 0


def test_a_full_fetch_replaces_its_session(client):
    client.fetch(("a", 0))
    assert client.fetch(("a", 0), session_id=1, epoch=0) == (ErrorCode.NONE, 2, [0])
    assert client.sessions.get(1) is None


def test_partitions_come_change_and_go(client):
    client.fetch(("a", 0), ("a", 1))
    assert client.fetch(("a", 2), session_id=1, epoch=1) == (ErrorCode.NONE, 1, [2])
    assert client.fetch(("a", 0, 55), session_id=1, epoch=2, forget=[("a", 1)]) == (ErrorCode.NONE, 1, [])
    session = client.sessions.get(1)
    assert [(p.partition, p.fetch_offset) for p in session.partitions.values()] == [(0, 55), (2, 0)]


def test_a_session_that_forgets_everything_is_closed(client):
    client.fetch(("a", 0))
    assert client.fetch(session_id=1, epoch=1, forget=[("a", 0)]) == (ErrorCode.NONE, 0, [])
    assert client.fetch(session_id=1, epoch=2)[0] is ErrorCode.FETCH_SESSION_ID_NOT_FOUND


def test_who_gave_records_comes_last(client):
    client.fetch(("a", 0), ("a", 1), ("a", 2))
    client.data[0] = data(records=b"x")
    client.fetch(session_id=1, epoch=1)
    assert [p.partition for p in client.sessions.get(1).partitions.values()] == [1, 2, 0]


def test_the_later_wish_counts_where_a_partition_is_named_twice(client):
    context = client.open(("a", 0, 1), ("a", 0, 2))
    assert [p.fetch_offset for p in context.partitions] == [2]


def test_a_request_that_was_overtaken_while_it_waited(client):
    client.fetch(("a", 0))
    parked = client.open(session_id=1, epoch=1)
    assert client.fetch(session_id=1, epoch=2)[0] is ErrorCode.NONE
    client.data[0] = data(records=b"x")
    assert client.finish(parked) == (ErrorCode.INVALID_FETCH_SESSION_EPOCH, 1, [])


def test_a_topic_id_is_resolved_when_the_topic_comes():
    client = Client(version=13)
    known = {}
    asked = request(("a", 0), version=13)
    context = client.sessions.open(asked, 13, known.get, 0)
    assert [p.topic for p in context.partitions] == [None]
    client.finish(context)
    known[IDS["a"]] = "a"
    context = client.sessions.open(request(session_id=1, epoch=1, version=13), 13, known.get, 0)
    assert [p.topic for p in context.partitions] == ["a"]
    known.clear()
    context = client.sessions.open(request(session_id=1, epoch=2, version=13), 13, known.get, 0)
    assert [p.topic for p in context.partitions] == ["a"]


def sizes(sessions):
    return sorted(len(session.partitions) for session in sessions._sessions.values())


def partitions(count):
    return [("a", index) for index in range(count)]


def test_without_room_there_is_no_session_but_an_answer():
    client = Client(cache(1))
    client.fetch(*partitions(1))
    assert client.fetch(*partitions(5)) == (ErrorCode.NONE, 0, [0, 1, 2, 3, 4])
    assert Client(cache(0)).fetch(*partitions(1)) == (ErrorCode.NONE, 0, [0])


def test_a_session_that_was_not_used_for_two_minutes_leaves():
    client = Client(cache(1))
    client.fetch(*partitions(5))
    client.now_ms = EVICTION_MS
    assert client.fetch(*partitions(1))[1] == 0
    client.now_ms = EVICTION_MS + 1
    assert client.fetch(*partitions(1))[1] == 2
    assert sizes(client.sessions) == [1]


def test_a_session_that_is_in_use_leaves_only_for_a_larger_one():
    client = Client(cache(2))
    client.fetch(*partitions(3))
    client.fetch(*partitions(2))
    client.now_ms = EVICTION_MS
    for session_id in (1, 2):
        client.fetch(session_id=session_id, epoch=1)
    client.now_ms = EVICTION_MS + 1
    assert client.fetch(*partitions(9))[1] == 0, "both are young as far as was seen when they were last used"
    for session_id in (1, 2):
        client.fetch(session_id=session_id, epoch=2)
    assert client.fetch(*partitions(2))[1] == 0
    assert client.fetch(*partitions(3))[1] == 3
    assert sizes(client.sessions) == [3, 3]


def test_a_followers_session_displaces_a_consumers_and_not_the_other_way():
    client = Client(cache(2))
    client.fetch(*partitions(9), privileged=True)
    client.fetch(*partitions(9))
    assert client.fetch(*partitions(20))[1] == 0
    assert client.fetch(*partitions(1), privileged=True)[1] == 3
    assert client.sessions.get(2) is None
    assert client.fetch(*partitions(1), privileged=True)[1] == 0


def test_counts_what_the_sessions_hold(client):
    client.fetch(*partitions(3))
    client.fetch(*partitions(2))
    assert (len(client.sessions), client.sessions.cached_partitions) == (2, 5)


class SessionMachine(RuleBasedStateMachine):
    """A client that keeps to the rules always knows what a full fetch would tell it, however little it is told."""

    @initialize(wanted=st.sets(st.integers(0, 5), min_size=1))
    def begin(self, wanted):
        self.broker = dict.fromkeys(range(6), (0, 0))
        self.client = Client()
        self.known = {}
        self.session_id = 0
        self.wanted = set(wanted)
        self.full()

    def data(self):
        return {
            index: data(high_watermark=high, log_start_offset=start) for index, (high, start) in self.broker.items()
        }

    def take(self, context):
        answers = [(p, self.data()[p.partition]) for p in context.partitions]
        error, session_id, told = context.finish(answers, 0)
        assert error is ErrorCode.NONE
        for partition, answer in told:
            self.known[partition.partition] = (answer.high_watermark, answer.log_start_offset)
        return session_id, [partition.partition for partition, _ in told]

    @rule()
    def full(self):
        asked = [("a", index) for index in sorted(self.wanted)]
        self.session_id, told = self.take(self.client.open(*asked, session_id=self.session_id, epoch=0))
        assert set(told) == self.wanted
        self.epoch = 1

    @rule(add=st.sets(st.integers(0, 5)), forget=st.sets(st.integers(0, 5)))
    def incremental(self, add, forget):
        forget = (forget & self.wanted) - add
        if not (self.wanted | add) - forget:
            return
        before = dict(self.known)
        wanted = (self.wanted | add) - forget
        context = self.client.open(
            *[("a", index) for index in sorted(add)],
            session_id=self.session_id,
            epoch=self.epoch,
            forget=[("a", index) for index in forget],
        )
        _, told = self.take(context)
        self.epoch += 1
        for index in forget:
            self.known.pop(index, None)
        assert set(told) == {i for i in wanted if i not in self.wanted or before.get(i) != self.broker[i]}
        self.wanted = wanted

    @rule(epoch=st.integers(1, 50))
    def wrong_epoch(self, epoch):
        if epoch != self.epoch:
            context = self.client.open(session_id=self.session_id, epoch=epoch)
            assert context.error is ErrorCode.INVALID_FETCH_SESSION_EPOCH

    @rule(index=st.integers(0, 5), grow=st.integers(0, 2), start=st.integers(0, 2))
    def change(self, index, grow, start):
        high, log_start = self.broker[index]
        self.broker[index] = (high + grow, log_start + start)

    @invariant()
    def the_session_holds_what_the_client_wants(self):
        session = self.client.sessions.get(self.session_id)
        assert {p.partition for p in session.partitions.values()} == self.wanted
        assert set(self.known) >= self.wanted


TestSessionMachine = SessionMachine.TestCase
TestSessionMachine.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)
