"""Repeated requests of transactional producers are answered exactly as their handlers do, or are left to them."""

from __future__ import annotations

import itertools
import struct
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ottla.broker.coordinators.transaction_metadata import LAST_USABLE_EPOCH
from ottla.broker.handlers.repeated import KNOWN_BYTES_MAX, KNOWN_MAX
from ottla.broker.handlers.repeated_transactions import RepeatedAdds, RepeatedEnds
from ottla.broker.request import Deferred, RequestContext
from ottla.protocol.api_keys import ApiKey
from ottla.protocol.compiler import decode
from ottla.protocol.errors import ErrorCode
from ottla.protocol.headers import read_request_head
from ottla.protocol.messages.add_partitions_to_txn import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnResponse,
    AddPartitionsToTxnTopic,
    AddPartitionsToTxnTransaction,
)
from ottla.protocol.messages.end_txn import EndTxnRequest, EndTxnResponse
from ottla.protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
)

from ..connections import connection_info
from ..data_broker import batch
from ..transaction_broker import NAME, TransactionBroker
from .two_ways import TwoWays, answer_in, frame_of

ASKED = (ApiKey.PRODUCE, ApiKey.ADD_PARTITIONS_TO_TXN, ApiKey.END_TXN)
STATE_TOPIC = "__transaction_state"
HEAD_BYTES = 8


class Producer(NamedTuple):
    producer_id: int
    epoch: int


class Ways(TwoWays):
    """Two brokers with transactions."""

    def __init__(self, folder, *options):
        super().__init__(folder, lambda home: TransactionBroker(home, *options), everything_in)

    def begin(self, name=NAME):
        """A producer that has begun on both."""
        found = [Producer(*broker.begin(name)) for broker in self.brokers]
        assert found[0] == found[1]
        return found[0]

    def begin_without_end(self, producer):
        """A transaction whose marker will be refused for its epoch: it is never completed."""
        for broker in self.brokers:
            broker.send(producer, 0, version=12)
            broker.mark((producer.producer_id, producer.epoch + 5), coordinator_epoch=0)

    def add(self, producer, version=3, *, partitions=(0,), topic="t", name=NAME, **header):
        request = adding(producer, partitions, topic=topic, name=name)
        answer = self.both(request, version, **header)
        topics = answer_in(answer, request, AddPartitionsToTxnResponse, version)
        [found, *_] = topics.results_by_topic_v3_and_below[0].results_by_partition
        return ErrorCode(found.partition_error_code).name

    def send(self, producer, sequence, version=11, *, is_transactional=True, name=NAME, acks=-1, **header):
        request = producing(producer, sequence, name=name, acks=acks, is_transactional=is_transactional)
        answer = self.both(request, version, **header)
        if isinstance(answer, Deferred):
            return answer
        [found] = answer_in(answer, request, ProduceResponse, version).responses[0].partition_responses
        return ErrorCode(found.error_code).name

    def end(self, producer, version=3, *, commit=True, name=NAME, **header):
        request = ending(producer, commit=commit, name=name)
        response = answer_in(self.both(request, version, **header), request, EndTxnResponse, version)
        return ErrorCode(response.error_code).name, Producer(response.producer_id, response.producer_epoch)


def adding(producer, partitions=(0,), *, topic="t", name=NAME):
    return AddPartitionsToTxnRequest(
        v3_and_below_transactional_id=name,
        v3_and_below_producer_id=producer.producer_id,
        v3_and_below_producer_epoch=producer.epoch,
        v3_and_below_topics=[AddPartitionsToTxnTopic(name=topic, partitions=list(partitions))],
    )


def producing(producer, sequence, *, name=NAME, acks=-1, is_transactional=True):
    records = batch(
        producer_id=producer.producer_id,
        producer_epoch=producer.epoch,
        base_sequence=sequence,
        is_transactional=is_transactional,
    )
    data = [PartitionProduceData(index=0, records=records)]
    return ProduceRequest(
        transactional_id=name,
        acks=acks,
        timeout_ms=1000,
        topic_data=[TopicProduceData(name="t", partition_data=data)],
    )


def ending(producer, *, commit=True, name=NAME):
    return EndTxnRequest(
        transactional_id=name, producer_id=producer.producer_id, producer_epoch=producer.epoch, committed=commit
    )


def everything_in(broker):
    """All that the logs hold, what they know of producers, and what the coordinator believes."""
    logs = []
    for partition in broker.partitions:
        if partition.topic in ("t", STATE_TOPIC):
            log = partition.log
            batches = [bytes(data) for data, _ in log.batches(0)]
            open_at = log.producers.open_transactions()
            asked = dict(log.producers._verifications)
            logs.append(
                (
                    partition.name,
                    batches,
                    log.high_watermark,
                    log.last_stable_offset,
                    open_at,
                    asked,
                    log.aborted_transactions(0, log.log_end_offset),
                )
            )
    transactions = [
        (transaction.metadata, transaction.pending_state, transaction.markers_left)
        for transaction in broker.transactions.transactions()
    ]
    return logs, transactions, list(broker.commits.pending)


@pytest.fixture
def ways(tmp_path):
    return Ways(tmp_path)


@pytest.mark.parametrize("add_version", range(4))
@pytest.mark.parametrize("produce_version", [7, 9, 11])
@pytest.mark.parametrize("end_version", range(5))
def test_all_transactions_after_the_first_are_not_read(ways, add_version, produce_version, end_version):
    producer = ways.begin()
    for number in range(4):
        assert ways.add(producer, add_version, correlation_id=number) == "NONE"
        assert ways.send(producer, number, produce_version) == "NONE"
        assert ways.end(producer, end_version, commit=number % 2 == 0)[0] == "NONE"
        assert ways.repeated == 3 * number
    assert ways.known.described()[1] == "CompleteAbort"


def test_the_epoch_rises_with_each_end_in_version_2(ways):
    producer = ways.begin()
    for number in range(4):
        assert ways.send(producer, 0, 12) == "NONE"
        assert ways.send(producer, 1, 12) == "NONE"
        code, after = ways.end(producer, 5)
        assert (code, after) == ("NONE", producer._replace(epoch=producer.epoch + 1))
        assert ways.end(producer, 5) == ("NONE", after)
        producer = after
        assert ways.repeated == number * 4 + 2


@pytest.mark.parametrize("correlation_id", [0, -1, 2**31 - 1])
def test_the_answer_is_to_the_request(ways, correlation_id):
    producer = ways.begin()
    ways.add(producer)
    answer = ways.both(adding(producer), 3, correlation_id=correlation_id)
    assert struct.unpack_from(">ii", answer) == (len(answer) - 4, correlation_id)
    ways.send(producer, 0)
    ways.end(producer)
    answer = ways.both(ending(producer), 3, correlation_id=correlation_id)
    assert struct.unpack_from(">ii", answer) == (len(answer) - 4, correlation_id)
    assert ways.repeated == 2


def test_a_producer_that_is_fenced_is_told_so(ways):
    old = ways.begin()
    ways.add(old)
    ways.send(old, 0)
    ways.end(old)
    new = ways.begin()
    assert new.epoch > old.epoch
    for version, code in ((1, "INVALID_PRODUCER_EPOCH"), (2, "PRODUCER_FENCED"), (3, "PRODUCER_FENCED")):
        assert [ways.add(old, version) for _ in range(2)] == [code] * 2
        assert [ways.end(old, version)[0] for _ in range(2)] == [code] * 2
    assert [ways.send(old, 1) for _ in range(2)] == ["INVALID_PRODUCER_EPOCH"] * 2
    assert [ways.end(old, 5)[0] for _ in range(2)] == ["PRODUCER_FENCED"] * 2


def test_an_end_without_a_transaction_is_refused(ways):
    producer = ways.begin()
    assert [ways.end(producer)[0] for _ in range(3)] == ["INVALID_TXN_STATE"] * 3
    assert ways.repeated == 2


def test_the_first_batch_of_a_transaction_is_verified_each_time(ways):
    producer = ways.begin()
    for number in range(3):
        ways.add(producer)
        assert ways.send(producer, number) == "NONE"
        ways.end(producer)
    repeated = ways.repeated
    assert ways.send(producer, 3) == "TRANSACTION_ABORTABLE"
    assert ways.repeated == repeated
    ways.add(producer)
    assert ways.send(producer, 9) == "OUT_OF_ORDER_SEQUENCE_NUMBER"
    assert ways.send(producer, 3) == "NONE"


def test_what_says_that_it_belongs_to_no_transaction_is_not_asked_for(ways):
    producer = ways.begin()
    assert [ways.send(producer, n, is_transactional=False) for n in range(3)] == ["NONE"] * 3
    assert ways.repeated == 2


def test_a_transactional_batch_needs_a_transactional_id(ways):
    producer = ways.begin()
    assert [ways.send(producer, n, name=None, is_transactional=False) for n in range(2)] == ["NONE"] * 2
    assert ways.send(producer, 2, name=None) == "TRANSACTIONAL_ID_AUTHORIZATION_FAILED"
    assert ways.repeated == 1


def test_a_marker_that_does_not_come_keeps_the_next_transaction_waiting(ways):
    producer = ways.begin()
    ways.begin_without_end(producer)
    code, after = ways.end(producer, 5)
    assert code == "NONE"
    assert ways.end(producer, 5)[0] == "CONCURRENT_TRANSACTIONS"
    assert [ways.add(after) for _ in range(2)] == ["CONCURRENT_TRANSACTIONS"] * 2
    assert ways.repeated == 2


def test_a_batch_waits_for_the_transaction_before(ways):
    producer = ways.begin()
    for _ in range(2):
        assert ways.send(producer, 0, 12) == "NONE"
        producer = ways.end(producer, 5)[1]
    ways.begin_without_end(producer)
    after = ways.end(producer, 5)[1]
    waiting = ways.send(after._replace(epoch=after.epoch + 4), 0, 12)
    assert isinstance(waiting, Deferred)
    assert waiting.response is None
    ways.advance(1000)
    assert waiting.response is not None


def test_what_waits_for_the_disk_is_left_to_the_handlers(tmp_path):
    ways = Ways(tmp_path, "log.flush.interval.messages=1")
    producer = ways.begin()
    for number in range(2):
        ways.add(producer)
        assert ways.send(producer, number) == "NONE"
        ways.end(producer)
    assert not ways.repeated


def test_a_full_disk_refuses(ways):
    producer = ways.begin()
    for number in range(2):
        ways.add(producer)
        ways.send(producer, number)
        ways.end(producer)
    for broker in ways.brokers:
        broker.disk.full = True
    assert ways.add(producer) != "NONE"
    for broker in ways.brokers:
        broker.disk.full = False
    assert ways.add(producer) == "NONE"
    assert ways.send(producer, 2) == "NONE"
    for broker in ways.brokers:
        broker.disk.full = True
    assert ways.end(producer)[0] != "NONE"
    assert ways.send(producer, 3) == "KAFKA_STORAGE_ERROR"
    for broker in ways.brokers:
        broker.disk.full = False
    assert ways.end(producer)[0] == "NONE"


def test_a_partition_that_is_gone_is_left_to_the_handler(ways):
    producer = ways.begin()
    ways.add(producer)
    ways.end(producer)
    for broker in ways.brokers:
        broker.metadata.delete_topic(broker.metadata.image.topics_by_name["t"])
    assert ways.is_left(frame_of(adding(producer), 3))
    assert ways.add(producer) == "UNKNOWN_TOPIC_OR_PARTITION"


def test_a_coordinator_that_is_gone_is_left_to_the_handlers(ways):
    producer = ways.begin()
    ways.add(producer)
    ways.end(producer)
    for broker in ways.brokers:
        broker.transactions.stop()
    assert ways.is_left(frame_of(adding(producer), 3))
    assert ways.is_left(frame_of(ending(producer), 3))
    assert ways.add(producer) == "NOT_COORDINATOR"
    assert ways.end(producer)[0] == "NOT_COORDINATOR"


def test_the_last_epoch_is_left_to_the_handler(ways):
    producer = ways.begin()
    ways.end(producer, 5)
    for epoch, is_left in ((LAST_USABLE_EPOCH - 1, False), (LAST_USABLE_EPOCH, True)):
        assert ways.is_left(frame_of(ending(producer._replace(epoch=epoch)), 5)) is is_left


def test_what_is_read_in_another_way_is_left_to_the_handlers(ways):
    producer = ways.begin()
    ways.add(producer)
    ways.send(producer, 0)
    ways.end(producer)
    frame = bytearray(frame_of(ending(producer), 3))
    for at, value in ((-2, 2), (-2, 255), (-1, 1)):
        changed = frame[:]
        changed[at] = value
        assert ways.dispatchers[1].answer_repeated(memoryview(changed), ways.connections[1]) is None
        ways.both_to(changed)
    for _ in range(2):
        assert ways.add(producer, topic=STATE_TOPIC) == "TOPIC_AUTHORIZATION_FAILED"
        transaction = AddPartitionsToTxnTransaction(
            transactional_id=NAME,
            producer_id=producer.producer_id,
            producer_epoch=producer.epoch,
            topics=[AddPartitionsToTxnTopic(name="t", partitions=[0])],
        )
        ways.both(AddPartitionsToTxnRequest(transactions=[transaction]), 4)
    assert not ways.repeated


def test_each_client_has_its_own_and_long_requests_have_none(ways):
    producer = ways.begin()
    for client in ("c", None, ""):
        ways.add(producer, client=client)
        ways.end(producer, client=client)
    assert not ways.repeated
    long_name = "n" * KNOWN_BYTES_MAX
    for _ in range(2):
        ways.add(producer, name=long_name)
        ways.end(producer, name=long_name)
    assert not ways.repeated


@pytest.mark.parametrize(("kind", "request_of"), [(RepeatedAdds, adding), (RepeatedEnds, ending)])
def test_no_more_than_so_many_are_known(tmp_path, kind, request_of):
    repeated = kind(TransactionBroker(tmp_path).services())
    for number in range(KNOWN_MAX + 10):
        request = request_of(Producer(1, 0), name=str(number))
        frame = memoryview(frame_of(request, 3))
        body_at = read_request_head(frame, {int(type(request).api_key): 3})[-1]
        context = RequestContext(type(request).api_key, 3, 1, "c", connection_info())
        repeated.learn(frame, body_at, decode(type(request), frame, 3, body_at), context)
    assert len(repeated._known) == 10


names = st.sampled_from([NAME, NAME, NAME, "other"])
moves = st.one_of(
    st.tuples(st.just("add"), st.sampled_from([0, 2, 3, 3]), st.sampled_from([(0,), (0,), (0, 1), (5,), ()]), names),
    st.tuples(st.just("send"), st.sampled_from([7, 9, 11, 12, 12]), st.booleans(), names),
    st.tuples(st.just("end"), st.sampled_from([1, 3, 3, 5, 5]), st.booleans(), names),
    st.tuples(st.just("begin"), names),
    st.tuples(st.just("wait"), st.sampled_from([1, 20, 61_000])),
    st.tuples(st.just("epoch"), st.sampled_from([-1, 1])),
)
numbers = itertools.count()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(st.lists(moves, min_size=4, max_size=30))
def test_any_requests_are_answered_as_if_they_were_read(tmp_path, asked):
    ways = Ways(tmp_path / str(next(numbers)))
    producer, sequence = ways.begin(), 0
    for kind, *chosen in asked:
        if kind == "add":
            version, partitions, name = chosen
            ways.both(adding(producer, partitions, name=name), version)
        elif kind == "send":
            version, is_transactional, name = chosen
            ways.both(producing(producer, sequence, name=name, is_transactional=is_transactional), version)
            sequence += 1
        elif kind == "end":
            version, commit, name = chosen
            code, after = ways.end(producer, version, commit=commit, name=name)
            if code == "NONE" and version == 5:
                producer, sequence = after, 0
        elif kind == "begin":
            found = [broker.init(name=chosen[0]) for broker in ways.brokers]
            assert found[0] == found[1]
            if found[0][0] == "NONE":
                producer, sequence = Producer(*found[0][1]), 0
        elif kind == "wait":
            ways.advance(chosen[0])
        else:
            producer = producer._replace(epoch=producer.epoch + chosen[0])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(
    st.integers(0, 200),
    st.binary(max_size=3),
    st.sampled_from([(adding, 0), (adding, 3), (ending, 1), (ending, 3), (ending, 5)]),
)
def test_any_bytes_are_answered_as_if_they_were_read(tmp_path, at, inserted, kind):
    """A request that is known, changed in some place: both say the same of it."""
    request_of, version = kind
    ways = Ways(tmp_path / str(next(numbers)))
    producer = ways.begin()
    ways.both(request_of(producer), version)
    frame = frame_of(request_of(producer), version)
    place = at % len(frame)
    ways.both_to(frame[:place] + inserted + frame[place + 1 :])
    ways.both_to(frame)
