"""Fetch sessions with watches: they answer what a walk over everything answers, and look only at what has changed."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from ottla.broker.coordinators.fetch_session import FetchSessionCache
from ottla.broker.handlers import delete_records
from ottla.broker.request import Deferred
from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.delete_records import DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic
from ottla.protocol.messages.fetch import ForgottenTopic
from ottla.storage.append import AppendOrigin

from ...harness.markers import end_txn_batch
from ..data_broker import DataBroker, batch, told
from ..group_broker import arrived

TOPICS = ("t", "u")
PARTITIONS = 2
SLOTS = 2
SIZE = len(batch())


class WalkingCache(FetchSessionCache):
    """The model: its sessions settle nothing, so that each request reads, and waits for, every partition."""

    def begin(self, answers, **fields):
        session_id = super().begin(answers, **fields)
        if session_id:
            self.get(session_id).is_open = False
        return session_id


class Broker(DataBroker):
    def use(self, kind):
        self.data_services.fetch_sessions = kind(SLOTS, itertools.count(1).__next__)
        return self

    def forgotten(self, version, wanted):
        return [
            ForgottenTopic(
                partitions=[index], **({"topic_id": self.topic_id(topic)} if version >= 13 else {"topic": topic})
            )
            for topic, index in wanted
        ]

    def delete_below(self, topic, index, offset):
        partition = DeleteRecordsPartition(partition_index=index, offset=offset)
        topics = [DeleteRecordsTopic(name=topic, partitions=[partition])]
        self.ask(delete_records, DeleteRecordsRequest(topics=topics), 2)

    def end_transaction(self, topic, index):
        partition = self.partitions.get(topic, index)
        marker = end_txn_batch(
            commit=False, base_offset=0, producer_id=9, producer_epoch=0, coordinator_epoch=0, timestamp_ms=1
        )
        partition.append(memoryview(marker), now_ms=0, origin=AppendOrigin.COORDINATOR)

    def settled(self):
        return [watch for partition in self.partitions for watch in partition.settled]

    def shape(self, response, version):
        """All of an answer but topic ids, which are chance; None while it waits."""
        if isinstance(response, Deferred):
            if not response.is_complete:
                return None
            response = arrived(response, version)
        names = {image.topic_id: name for name, image in self.metadata.image.topics_by_name.items()}
        return (
            response.error_code,
            response.session_id,
            [
                (topic.topic or names.get(topic.topic_id), [self.partition_shape(each) for each in topic.partitions])
                for topic in response.responses
            ],
        )

    @staticmethod
    def partition_shape(data):
        aborted = None if data.aborted_transactions is None else len(data.aborted_transactions)
        offsets = (data.high_watermark, data.last_stable_offset, data.log_start_offset)
        return data.partition_index, data.error_code, offsets, aborted, bytes(data.records or b"")


places = st.tuples(st.sampled_from(TOPICS), st.integers(0, PARTITIONS - 1))


class WatchesAndWalk(RuleBasedStateMachine):
    """Two brokers live the same life, one with watches, one that walks; their clients see the same at all times."""

    @initialize(version=st.sampled_from([12, 13]))
    def begin(self, version):
        self.folder = tempfile.TemporaryDirectory()
        self.version = version
        self.brokers = []
        for name, kind in (("watches", FetchSessionCache), ("walk", WalkingCache)):
            home = Path(self.folder.name) / name
            home.mkdir()
            self.brokers.append(Broker(home).use(kind))
        self.sessions = {}
        self.waiting = []
        for topic in TOPICS:
            self.create(topic)

    def both(self, act):
        return [act(broker) for broker in self.brokers]

    def exists(self, topic):
        return topic in self.brokers[0].metadata.image.topics_by_name

    def create(self, topic):
        self.both(lambda broker: broker.create(topic, PARTITIONS))
        for index in range(PARTITIONS):
            self.both(lambda broker: broker.produce(topic, batch(2), partition=index))  # noqa: B023

    @rule(client=st.integers(0, 2), data=st.data())
    def full(self, client, data):
        wanted = data.draw(st.lists(places, min_size=1, max_size=6, unique=True))
        session_id = self.sessions.get(client, (0, 0))[0]
        self.send(client, wanted, data, session_id=session_id, session_epoch=0)

    @rule(client=st.integers(0, 2), level=st.integers(0, 1), follows=st.sets(places, min_size=2))
    def settle(self, client, level, follows):
        """Stand at the end of everything, as a consumer that has nothing to do."""
        ends = {place: self.end_of(*place) for place in sorted(follows)}
        asked = [(topic, [{"partition": index, "fetch_offset": end}]) for (topic, index), end in ends.items()]
        session_id = self.sessions.pop(client, (0, 0))[0]
        for again in range(2):
            fields = {"version": self.version, "session_id": session_id, "isolation_level": level}
            responses = self.both(lambda broker: broker.fetch(*asked, session_epoch=again, **fields))  # noqa: B023
            self.waiting.append((client, again, responses))
            self.compare()
            session_id, asked = self.sessions.get(client, (0, 0))[0], []
            if not session_id:
                return
        self.sessions[client] = session_id, 2

    def end_of(self, topic, index):
        partition = self.brokers[0].partitions.get(topic, index)
        return 0 if partition is None else partition.log.high_watermark

    @rule(client=st.integers(0, 2), data=st.data(), is_overtaking=st.booleans())
    def incremental(self, client, data, is_overtaking):
        if client not in self.sessions or not (is_overtaking or client not in [each[0] for each in self.waiting]):
            return
        named = data.draw(st.lists(places, max_size=2, unique=True))
        forgotten = data.draw(st.lists(places, max_size=1)) if data.draw(st.integers(0, 4)) == 0 else []
        session_id, epoch = self.sessions[client]
        self.sessions[client] = session_id, epoch + 1
        self.send(client, named, data, forgotten, session_id=session_id, session_epoch=epoch)

    @rule(client=st.integers(0, 2), data=st.data())
    def leave(self, client, data):
        if client in self.sessions:
            session_id, _ = self.sessions.pop(client)
            self.send(client, [], data, session_id=session_id, session_epoch=-1)

    def send(self, client, wanted, data, forgotten=(), **session):
        fields = {
            "max_wait_ms": data.draw(st.sampled_from([0, 500, 500])),
            "min_bytes": data.draw(st.sampled_from([1, 1, 2 * SIZE, 5 * SIZE])),
            "max_bytes": data.draw(st.sampled_from([1 << 20, 1 << 20, SIZE])),
            "isolation_level": data.draw(st.integers(0, 1)),
        }
        if not data.draw(st.integers(0, 9)):
            fields["replica_id"] = 3
        asked = [(topic, [self.wish(topic, index, data)]) for topic, index in wanted]
        responses = self.both(
            lambda broker: broker.fetch(
                *asked,
                version=self.version,
                forgotten_topics_data=broker.forgotten(self.version, forgotten),
                **session,
                **fields,
            )
        )
        self.waiting.append((client, session["session_epoch"], responses))
        self.compare()

    def wish(self, topic, index, data):
        return {
            "partition": index,
            "fetch_offset": max(0, self.end_of(topic, index) - data.draw(st.sampled_from([0, 0, 0, 1, 2, -1]))),
            "partition_max_bytes": data.draw(st.sampled_from([1 << 20, 1 << 20, SIZE + 5])),
            "current_leader_epoch": data.draw(st.sampled_from([-1, -1, 0, 1])),
            "last_fetched_epoch": data.draw(st.sampled_from([-1, -1, -1, 0])),
        }

    @rule(place=places, count=st.integers(1, 3))
    def produce(self, place, count):
        self.both(lambda broker: broker.produce(place[0], batch(count), partition=place[1]))

    @rule(topic=st.sampled_from(TOPICS), sizes=st.lists(st.integers(1, 2), min_size=2, max_size=PARTITIONS))
    def produce_to_several(self, topic, sizes):
        if self.exists(topic):
            batches = [(index, batch(count)) for index, count in enumerate(sizes)]
            self.both(lambda broker: broker.produce_all(topic, batches))

    @rule(place=places)
    def begin_transaction(self, place):
        if self.exists(place[0]):
            fields = {"producer_id": 9, "producer_epoch": 0, "base_sequence": -1, "is_transactional": True}
            for broker in self.brokers:
                partition = broker.partitions.get(*place)
                if partition.offline_reason is None:
                    partition.append(memoryview(bytearray(batch(**fields))), now_ms=0, origin=AppendOrigin.COORDINATOR)

    @rule(place=places)
    def end_transaction(self, place):
        for broker in self.brokers:
            partition = broker.partitions.get(*place)
            if partition is not None and partition.offline_reason is None:
                broker.end_transaction(*place)

    @rule(place=places, back=st.integers(0, 2))
    def delete_records(self, place, back):
        partition = self.brokers[0].partitions.get(*place)
        if partition is not None:
            offset = max(0, partition.log.high_watermark - back)
            self.both(lambda broker: broker.delete_below(*place, offset))

    @rule(topic=st.sampled_from(TOPICS), again=st.booleans())
    def delete_topic(self, topic, again):
        if self.exists(topic):
            self.both(lambda broker: broker.metadata.delete_topic(broker.metadata.image.topics_by_name[topic]))
        if again:
            self.compare()
            self.create(topic)

    @rule(place=places)
    def fail(self, place):
        if self.exists(place[0]):
            self.both(lambda broker: broker.partitions.get(*place).take_offline("the disk is gone"))

    @rule(place=places)
    def lead_anew(self, place):
        if self.exists(place[0]):
            for broker in self.brokers:
                partition = broker.partitions.get(*place)
                partition.leader_epoch += 1
                partition.log.leader_epochs.announce(partition.leader_epoch, partition.log.log_end_offset)
                partition.tell_changed()

    @rule(passed_ms=st.sampled_from([100, 400, 130_000]))
    def wait(self, passed_ms):
        self.both(lambda broker: broker.advance(passed_ms))

    @rule(data=st.data())
    def hang_up(self, data):
        if self.waiting:
            number = data.draw(st.integers(0, len(self.waiting) - 1))
            for response in self.waiting.pop(number)[2]:
                if isinstance(response, Deferred):
                    response.abandon()

    @invariant()
    def compare(self):
        still = []
        for client, epoch, responses in getattr(self, "waiting", ()):
            ours, models = (
                broker.shape(response, self.version) for broker, response in zip(self.brokers, responses, strict=True)
            )
            assert ours == models
            if ours is None:
                still.append((client, epoch, responses))
            elif epoch == 0 and ours[1]:
                self.sessions[client] = ours[1], 1
        self.waiting = still

    @invariant()
    def watches_belong_to_open_sessions(self):
        if not hasattr(self, "brokers"):
            return
        sessions = self.brokers[0].data_services.fetch_sessions._sessions.values()
        settled = [
            partition.watching for each in sessions for partition in each.partitions.values() if partition.watching
        ]
        assert set(self.brokers[0].settled()) == set(settled)
        assert len(settled) <= SLOTS * len(TOPICS) * PARTITIONS
        for session in sessions:
            turns = [partition.turn for partition in session.partitions.values()]
            assert turns == sorted(set(turns)), "the turns are the order of the session"
        assert not self.brokers[1].settled()

    def teardown(self):
        if hasattr(self, "folder"):
            self.folder.cleanup()


WatchesAndWalk.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TestWatchesAndWalk = pytest.mark.timeout(600)(WatchesAndWalk.TestCase)


@pytest.fixture
def broker(tmp_path):
    broker = DataBroker(tmp_path)
    broker.create("t", 200)
    return broker


def follow_all(broker, count=200):
    """Open a session of so many partitions and let it settle; its id."""
    session_id = broker.fetch(("t", [{"partition": index} for index in range(count)]), session_epoch=0).session_id
    assert told(broker.fetch(session_id=session_id, session_epoch=1)) == []
    return session_id


@pytest.fixture
def looked_at(broker, monkeypatch):
    """How many partitions requests have looked at."""
    looked_at = []
    get = type(broker.partitions).get

    def counted(self, topic, index):
        looked_at.append(index)
        return get(self, topic, index)

    monkeypatch.setattr(type(broker.partitions), "get", counted)
    return looked_at


def test_a_session_looks_only_at_what_moved(broker, looked_at):
    session_id = follow_all(broker)
    looked_at.clear()
    for offset in range(5):
        named = [("t", [{"partition": 7, "fetch_offset": offset}])] if offset else []
        waiting = broker.fetch(*named, session_id=session_id, session_epoch=2 + offset, max_wait_ms=500)
        assert not waiting.is_complete
        broker.produce("t", partition=7)
        assert told(waiting) == [(7, 0, SIZE)]
    assert set(looked_at) == {7}
    assert len(looked_at) <= 5 * 4


def test_an_eviction_leaves_no_watch_behind(tmp_path):
    broker = DataBroker(tmp_path, "max.incremental.fetch.session.cache.slots=1")
    broker.create("t", 10)
    follow_all(broker, 5)
    assert sum(len(partition.settled) for partition in broker.partitions) == 5
    broker.advance(120_001)
    follow_all(broker, 3)
    assert sum(len(partition.settled) for partition in broker.partitions) == 3
    assert len(broker.data_services.fetch_sessions) == 1


def test_a_fetch_that_waits_is_answered_though_its_session_was_ended_elsewhere(broker):
    session_id = follow_all(broker)
    waiting = broker.fetch(session_id=session_id, session_epoch=2, max_wait_ms=500)
    broker.fetch(session_id=session_id, session_epoch=-1)
    broker.produce("t", partition=150)
    assert told(waiting) == [(150, 0, SIZE)]
    assert not any(partition.watches or partition.settled for partition in broker.partitions)


def test_bytes_of_settled_partitions_count_together(broker):
    session_id = follow_all(broker)
    waiting = broker.fetch(session_id=session_id, session_epoch=2, max_wait_ms=500, min_bytes=2 * SIZE)
    broker.produce("t", partition=3)
    broker.produce("t", partition=3)
    assert told(waiting) == [(3, 0, 2 * SIZE)]
    waiting = broker.fetch(
        ("t", [{"partition": 3, "fetch_offset": 2}]),
        session_id=session_id,
        session_epoch=3,
        max_wait_ms=500,
        min_bytes=2 * SIZE,
    )
    broker.produce("t", partition=5)
    assert not waiting.is_complete
    broker.produce("t", partition=4)
    assert told(waiting) == [(4, 0, SIZE), (5, 0, SIZE)]


def test_what_one_request_changes_is_told_in_one_answer(broker):
    session_id = follow_all(broker)
    waiting = broker.fetch(session_id=session_id, session_epoch=2, max_wait_ms=500)
    broker.produce_all("t", [(3, batch()), (1, batch()), (2, batch())])
    assert told(waiting) == [(1, 0, SIZE), (2, 0, SIZE), (3, 0, SIZE)]
    waiting = broker.fetch(session_id=session_id, session_epoch=3, max_wait_ms=500, min_bytes=1 << 20)
    broker.metadata.delete_topic(broker.metadata.image.topics_by_name["t"])
    assert {error for _, error, _ in told(waiting)} == {ErrorCode.UNKNOWN_TOPIC_OR_PARTITION}
    assert len(told(waiting)) == 200


def test_a_partition_that_fails_unsettles_and_is_told(broker):
    session_id = follow_all(broker)
    broker.partitions.get("t", 9).take_offline("the disk is gone")
    answer = broker.fetch(session_id=session_id, session_epoch=2, max_wait_ms=500)
    assert told(answer) == [(9, ErrorCode.KAFKA_STORAGE_ERROR, 0)]


def test_a_settled_partition_that_is_named_is_read_again(broker):
    broker.produce("t", partition=6)
    session_id = follow_all(broker, 5)
    named = ("t", [{"partition": 6, "fetch_offset": 1}])
    assert told(broker.fetch(named, session_id=session_id, session_epoch=2)) == [(6, 0, 0)]
    assert told(broker.fetch(session_id=session_id, session_epoch=3)) == []
    named = ("t", [{"partition": 6, "fetch_offset": 0}])
    assert told(broker.fetch(named, session_id=session_id, session_epoch=4, max_wait_ms=500)) == [(6, 0, SIZE)]


def test_another_isolation_level_looks_at_everything_again(broker, looked_at):
    session_id = follow_all(broker)
    for level, epoch, count in ((0, 2, 0), (1, 3, 200), (1, 4, 0), (0, 5, 200)):
        looked_at.clear()
        assert told(broker.fetch(session_id=session_id, session_epoch=epoch, isolation_level=level)) == []
        assert len(looked_at) == count


def test_who_names_the_epoch_it_has_read_is_looked_at_each_time(broker, looked_at):
    """How far an epoch reaches may change where no offset does."""
    wanted = [{"partition": 0, "last_fetched_epoch": 0}, {"partition": 1}]
    session_id = broker.fetch(("t", wanted), session_epoch=0).session_id
    for epoch in range(1, 4):
        looked_at.clear()
        assert told(broker.fetch(session_id=session_id, session_epoch=epoch)) == []
    assert looked_at == [0]


def test_who_was_overtaken_while_it_waited_is_told_when_something_comes(broker):
    session_id = follow_all(broker)
    overtaken = broker.fetch(session_id=session_id, session_epoch=2, max_wait_ms=500, min_bytes=2 * SIZE)
    waiting = broker.fetch(session_id=session_id, session_epoch=3, max_wait_ms=500)
    broker.produce("t", partition=8)
    assert told(waiting) == [(8, 0, SIZE)]
    assert not overtaken.is_complete
    broker.produce("t", partition=8)
    response = arrived(overtaken, 12)
    assert (response.error_code, response.responses) == (ErrorCode.INVALID_FETCH_SESSION_EPOCH, [])


def test_retention_is_told(tmp_path):
    broker = DataBroker(tmp_path)
    broker.create("t", segment_bytes=str(1 << 20), retention_bytes="1")
    large = batch(value=b"v" * 600_000)
    for _ in range(3):
        broker.produce("t", large)
    session_id = broker.fetch(("t", [{"fetch_offset": 3}]), session_epoch=0).session_id
    assert told(broker.fetch(session_id=session_id, session_epoch=1)) == []
    assert broker.partitions.get("t", 0).apply_retention(broker.clock.now_ms())
    response = broker.fetch(session_id=session_id, session_epoch=2)
    assert response.responses[0].partitions[0].log_start_offset > 0
