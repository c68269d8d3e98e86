"""Transactions through their handlers, on real logs: what clients are told, and what partitions hold then."""

from __future__ import annotations

import errno

import pytest
from ottla.broker.handlers import (
    add_offsets_to_txn,
    add_partitions_to_txn,
    describe_producers,
    init_producer_id,
    list_transactions,
)
from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.add_offsets_to_txn import AddOffsetsToTxnRequest
from ottla.protocol.messages.add_partitions_to_txn import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnTopic,
    AddPartitionsToTxnTransaction,
)
from ottla.protocol.messages.describe_producers import DescribeProducersRequest, TopicRequest
from ottla.protocol.messages.init_producer_id import InitProducerIdRequest
from ottla.protocol.messages.list_transactions import ListTransactionsRequest

from ..data_broker import DataBroker, batch
from ..group_broker import arrived
from ..transaction_broker import NAME, TransactionBroker


@pytest.fixture
def broker(tmp_path):
    return TransactionBroker(tmp_path)


# ---- a transaction from its beginning to its end


@pytest.mark.parametrize("commit", [True, False])
def test_a_transaction_of_version_2(broker, commit):
    producer = broker.begin()
    assert broker.send(producer, 0) == "NONE"
    assert broker.send(producer, 0, partition=1) == "NONE"
    assert broker.described() == ("NONE", "Ongoing", [("t", 0), ("t", 1)])
    assert broker.end(producer, commit=commit) == ("NONE", (producer[0], 1))
    assert broker.described() == ("NONE", "CompleteCommit" if commit else "CompleteAbort", [])
    size, stable_offset, aborted = broker.committed_and_aborted()
    assert size > 0
    assert stable_offset == 2
    assert aborted == ([] if commit else [(producer[0], 0)])


@pytest.mark.parametrize("commit", [True, False])
def test_a_transaction_of_version_1(broker, commit):
    producer = broker.begin(version=4)
    assert broker.add(producer, ("t", [0, 1])) == [("t", 0, "NONE"), ("t", 1, "NONE")]
    assert broker.send(producer, 0, version=11) == "NONE"
    assert broker.end(producer, commit=commit, version=4) == ("NONE", (-1, -1))
    assert broker.committed_and_aborted()[1] == 2
    assert broker.committed_and_aborted(1)[1] == 1
    assert broker.add(producer, ("t", [0])) == [("t", 0, "NONE")]
    assert broker.send(producer, 1, version=11) == "NONE"


def test_readers_wait_for_the_end_of_a_transaction(broker):
    producer = broker.begin()
    broker.send(producer, 0, count=3)
    assert broker.committed_and_aborted() == (0, 0, [])
    assert (broker.end_offsets(0), broker.end_offsets(1)) == (3, 0)
    broker.end(producer, commit=True)
    assert (broker.end_offsets(0), broker.end_offsets(1)) == (4, 4)


def test_the_next_transaction_begins_with_the_epoch_of_the_answer(broker):
    producer = broker.begin()
    broker.send(producer, 0)
    _, producer = broker.end(producer, commit=True)
    assert broker.send(producer, 0) == "NONE"
    assert broker.send((producer[0], 0), 1) == "INVALID_PRODUCER_EPOCH"
    assert broker.end(producer, commit=True) == ("NONE", (producer[0], 2))


# ---- who may write


def test_a_partition_that_was_not_added_is_refused_as_the_client_understands_it(broker):
    producer = broker.begin(version=4)
    assert broker.send(producer, 0, version=10) == "INVALID_TXN_STATE"
    assert broker.send(producer, 0, version=11) == "TRANSACTION_ABORTABLE"
    broker.add(producer, ("t", [1]))
    assert broker.send(producer, 0, version=11) == "TRANSACTION_ABORTABLE"
    assert broker.send(producer, 0, version=11, partition=1) == "NONE"


def test_verification_may_be_switched_off_for_older_clients(tmp_path):
    broker = TransactionBroker(tmp_path, "transaction.partition.verification.enable=false")
    producer = broker.begin(version=4)
    assert broker.send(producer, 0, version=11) == "NONE"


@pytest.mark.parametrize("version", [9, 12])
def test_a_fenced_producer_is_told_so(broker, version):
    old = broker.begin(version=4)
    new = broker.begin(version=4)
    assert broker.send(old, 0, version=version) == "INVALID_PRODUCER_EPOCH"
    assert broker.send((new[0] + 77, 0), 0, version=version) == "INVALID_PRODUCER_ID_MAPPING"
    assert broker.add(old, ("t", [0])) == [("t", 0, "PRODUCER_FENCED")]
    assert broker.add(old, ("t", [0]), version=1) == [("t", 0, "INVALID_PRODUCER_EPOCH")]
    assert broker.end(old, commit=True) == ("PRODUCER_FENCED", (-1, -1))
    assert broker.end(old, commit=True, version=1) == ("INVALID_PRODUCER_EPOCH", (-1, -1))
    assert broker.init(version=4, producer=(77, 0))[0] == "PRODUCER_FENCED"
    assert broker.init(version=3, producer=(77, 0))[0] == "INVALID_PRODUCER_EPOCH"


def test_two_producers_in_one_request_are_one_too_many(broker):
    producer = broker.begin()
    records = [
        batch(producer_id=producer[0], producer_epoch=epoch, base_sequence=0, is_transactional=True) for epoch in (0, 1)
    ]
    answers = broker.produce_all("t", list(enumerate(records)), version=12, transactional_id=NAME)
    told = (ErrorCode.INVALID_PRODUCER_ID_MAPPING, "Transactional records contained more than one producer ID")
    assert [(answer.error_code, answer.error_message) for answer in answers] == [told] * 2


def test_a_batch_without_a_producer_is_part_of_no_transaction(broker):
    records = batch(producer_id=-1, producer_epoch=-1, base_sequence=-1, is_transactional=True)
    assert broker.produce("t", records, version=12, transactional_id=NAME).error_code == 0
    assert broker.committed_and_aborted()[1] == 1


def test_a_batch_outside_of_the_producers_transaction_is_refused(broker):
    producer = broker.begin()
    broker.send(producer, 0)
    plain = batch(producer_id=producer[0], producer_epoch=producer[1], base_sequence=1)
    assert ErrorCode(broker.produce("t", plain, version=12).error_code).name == "INVALID_TXN_STATE"


def test_partitions_join_all_or_none(broker):
    producer = broker.begin(version=4)
    assert broker.add(producer, ("t", [0, 9]), ("nothing", [0])) == [
        ("t", 0, "OPERATION_NOT_ATTEMPTED"),
        ("t", 9, "UNKNOWN_TOPIC_OR_PARTITION"),
        ("nothing", 0, "UNKNOWN_TOPIC_OR_PARTITION"),
    ]
    assert broker.described() == ("NONE", "Empty", [])


def test_clients_do_not_add_internal_topics(broker):
    producer = broker.begin(version=3)
    assert broker.add(producer, ("__consumer_offsets", [0]), ("t", [0])) == [
        ("__consumer_offsets", 0, "TOPIC_AUTHORIZATION_FAILED"),
        ("t", 0, "OPERATION_NOT_ATTEMPTED"),
    ]


@pytest.mark.parametrize("verify_only", [True, False])
def test_brokers_add_and_verify_for_several_transactions(broker, verify_only):
    one, two = broker.begin(name="one"), broker.begin(name="two")
    broker.add(one, ("t", [0]), name="one")
    request = AddPartitionsToTxnRequest(
        transactions=[
            AddPartitionsToTxnTransaction(
                transactional_id=name,
                producer_id=producer[0],
                producer_epoch=producer[1],
                verify_only=verify_only,
                topics=[AddPartitionsToTxnTopic(name="t", partitions=[0])],
            )
            for name, producer in (("one", one), ("two", two))
        ]
    )
    answer = broker.ask(add_partitions_to_txn, request, 5)
    codes = {
        result.transactional_id: ErrorCode(result.topic_results[0].results_by_partition[0].partition_error_code).name
        for result in answer.results_by_transaction
    }
    assert codes == {"one": "NONE", "two": "TRANSACTION_ABORTABLE" if verify_only else "NONE"}


@pytest.mark.parametrize("timeout_ms", [0, -1, 900_001])
def test_a_timeout_must_be_one_that_the_broker_keeps(broker, timeout_ms):
    assert broker.init(timeout_ms=timeout_ms) == ("INVALID_TRANSACTION_TIMEOUT", (-1, -1))


def test_without_its_topic_there_is_no_coordinator(tmp_path):
    broker = DataBroker(tmp_path)
    answer = broker.ask(init_producer_id, InitProducerIdRequest(transactional_id="x", transaction_timeout_ms=1), 5)
    assert ErrorCode(answer.error_code).name == "NOT_COORDINATOR"


# ---- offsets


def test_offsets_of_a_transaction_hold_when_it_is_committed(broker):
    producer = broker.begin()
    assert broker.commit_offset(producer, 5) == "NONE"
    assert broker.fetch_offset() == ("UNSTABLE_OFFSET_COMMIT", -1)
    assert broker.fetch_offset(stable=False) == ("NONE", -1)
    _, producer = broker.end(producer, commit=True)
    assert broker.fetch_offset() == ("NONE", 5)
    broker.commit_offset(producer, 7)
    assert broker.fetch_offset(stable=False) == ("NONE", 5)
    broker.end(producer, commit=False)
    assert broker.fetch_offset() == ("NONE", 5)


def test_offsets_of_an_open_transaction_are_pending_after_a_crash(broker):
    producer = broker.begin()
    broker.commit_offset(producer, 5)
    broker.crash()
    assert broker.fetch_offset() == ("UNSTABLE_OFFSET_COMMIT", -1)
    broker.end(producer, commit=True)
    assert broker.fetch_offset() == ("NONE", 5)
    broker.crash()
    assert broker.fetch_offset() == ("NONE", 5)


def test_an_older_client_adds_the_groups_offsets_first(broker):
    producer = broker.begin(version=4)
    assert broker.commit_offset(producer, 5, version=3) == "INVALID_TXN_STATE"
    assert broker.commit_offset(producer, 5, version=4) == "TRANSACTION_ABORTABLE"
    request = AddOffsetsToTxnRequest(
        transactional_id=NAME, producer_id=producer[0], producer_epoch=producer[1], group_id="g"
    )
    assert broker.ask(add_offsets_to_txn, request, 3).error_code == 0
    assert broker.commit_offset(producer, 5, version=3) == "NONE"
    broker.end(producer, commit=True, version=4)
    assert broker.fetch_offset() == ("NONE", 5)


def test_offsets_are_refused_for_what_is_wrong_with_them(broker):
    producer = broker.begin()
    assert broker.commit_offset(producer, 5, topic="nothing") == "UNKNOWN_TOPIC_OR_PARTITION"
    assert broker.commit_offset(producer, 5, group="") == "INVALID_GROUP_ID"
    assert broker.commit_offset(producer, 5, generation_id=3, member_id="m") == "ILLEGAL_GENERATION"
    assert broker.commit_offset((producer[0], 7), 5) == "INVALID_PRODUCER_EPOCH"


# ---- time


def test_a_transaction_that_lasts_too_long_is_aborted(broker):
    producer = broker.begin(timeout_ms=15_000)
    broker.send(producer, 0)
    broker.advance(15_000)
    assert broker.described()[1] == "Ongoing"
    broker.advance(10_000)
    assert broker.described() == ("NONE", "CompleteAbort", [])
    assert broker.committed_and_aborted()[1:] == (2, [(producer[0], 0)])
    assert broker.send(producer, 1) == "INVALID_PRODUCER_EPOCH"
    assert broker.end(producer, commit=True)[0] == "INVALID_TXN_STATE"


def test_an_unused_transactional_id_expires(broker):
    broker.begin()
    broker.advance(7 * 24 * 3_600_000 + 3_600_000)
    assert broker.described()[0] == "TRANSACTIONAL_ID_NOT_FOUND"
    broker.crash()
    assert broker.described()[0] == "TRANSACTIONAL_ID_NOT_FOUND"


# ---- what an admin sees and does


def test_transactions_are_listed(broker):
    broker.send(broker.begin(), 0)
    broker.begin(name="idle")
    answer = broker.ask(list_transactions, ListTransactionsRequest(), 2)
    assert sorted((s.transactional_id, s.transaction_state) for s in answer.transaction_states) == [
        ("idle", "Empty"),
        (NAME, "Ongoing"),
    ]
    request = ListTransactionsRequest(state_filters=["Ongoing", "Asleep"], transactional_id_pattern="pay.*")
    answer = broker.ask(list_transactions, request, 2)
    assert [state.transactional_id for state in answer.transaction_states] == [NAME]
    assert answer.unknown_state_filters == ["Asleep"]
    request = ListTransactionsRequest(transactional_id_pattern="(")
    assert broker.ask(list_transactions, request, 2).error_code == ErrorCode.INVALID_REGULAR_EXPRESSION


def test_unknown_transactional_ids(broker):
    assert broker.described("nobody") == ("TRANSACTIONAL_ID_NOT_FOUND", "", [])
    assert broker.described("") == ("INVALID_REQUEST", "", [])


def test_producers_are_described(broker):
    producer = broker.begin()
    broker.send(producer, 0)
    request = DescribeProducersRequest(topics=[TopicRequest(name="t", partition_indexes=[0, 1, 9])])
    found, empty, unknown = broker.ask(describe_producers, request, 0).topics[0].partitions
    [state] = found.active_producers
    assert (state.producer_id, state.producer_epoch, state.last_sequence) == (*producer, 0)
    assert (state.coordinator_epoch, state.current_txn_start_offset) == (-1, 0)
    assert empty.active_producers == []
    assert unknown.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


def test_producers_of_a_topic_that_is_not_there(broker):
    request = DescribeProducersRequest(topics=[TopicRequest(name="none", partition_indexes=[0])])
    [unknown] = broker.ask(describe_producers, request, 0).topics[0].partitions
    assert unknown.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert unknown.error_message == "This server does not host this topic-partition."


def test_a_hanging_transaction_is_aborted_by_hand(broker):
    hanging = (4000, 0)
    records = batch(producer_id=4000, producer_epoch=0, base_sequence=0, is_transactional=True)
    broker.partitions.get("t", 0).append(memoryview(bytearray(records)), now_ms=broker.clock.now_ms())
    assert broker.committed_and_aborted() == (0, 0, [])
    assert broker.mark(hanging) == [(4000, "t", 0, "NONE")]
    assert broker.committed_and_aborted()[1:] == (2, [(4000, 0)])


def test_markers_are_answered_by_partition(broker):
    assert broker.mark((4000, 0), partitions=(0, 9)) == [
        (4000, "t", 0, "NONE"),
        (4000, "t", 9, "UNKNOWN_TOPIC_OR_PARTITION"),
    ]


@pytest.mark.parametrize("producer", [(-1, 0), (4000, -1)])
def test_a_marker_of_no_producer_fails_the_request(broker, producer):
    assert broker.mark(producer) == [(producer[0], "t", 0, "UNKNOWN_SERVER_ERROR")]
    assert broker.partitions.get("t", 0).log.log_end_offset == 0


def test_a_marker_without_partitions_is_not_answered(broker):
    assert broker.mark((4000, 0), partitions=()) == []


def test_a_zombie_coordinators_marker_is_refused(broker):
    broker.mark((4000, 0), coordinator_epoch=5)
    assert broker.mark((4000, 0), coordinator_epoch=4) == [(4000, "t", 0, "TRANSACTION_COORDINATOR_FENCED")]


def test_a_late_marker_of_version_2_does_not_end_the_next_transaction(broker):
    producer = broker.begin()
    broker.send(producer, 0)
    _, producer = broker.end(producer, commit=True)
    broker.send(producer, 0)
    assert broker.mark(producer, transaction_version=2) == [(producer[0], "t", 0, "INVALID_PRODUCER_EPOCH")]
    assert broker.described()[1] == "Ongoing"


class TestSyncedState:
    """`flush.messages` on `__transaction_state`: nothing may outlive the record that makes it part of a transaction."""

    @pytest.fixture
    def synced(self, broker):
        broker.producer = broker.begin()
        broker.metadata.set_configs(2, "__transaction_state", {"flush.messages": "1"})
        broker.background.hold = True
        return broker

    def test_a_batch_waits_until_its_partition_is_known_to_be_part_of_the_transaction(self, synced):
        records = batch(producer_id=synced.producer[0], producer_epoch=0, base_sequence=0, is_transactional=True)
        log = synced.partitions.get("t", 0).log
        waiting = synced.start_produce("t", records, version=12, transactional_id=NAME)
        assert log.log_end_offset == 0
        synced.background.finish_all()
        assert log.log_end_offset == 1
        assert arrived(waiting, 12).responses[0].partition_responses[0].error_code == 0
        assert synced.described()[2] == [("t", 0)]

    def test_pending_offsets_wait_until_the_group_is_part_of_the_transaction(self, synced):
        waiting = synced.start_commit_offset(synced.producer, 7)
        assert synced.fetch_offset() == ("NONE", -1)
        synced.background.finish_all()
        assert arrived(waiting, 5).topics[0].partitions[0].error_code == 0
        assert synced.fetch_offset() == ("UNSTABLE_OFFSET_COMMIT", -1)

    def test_a_disk_that_fails_keeps_the_batch_out_and_ends_the_connection(self, synced, monkeypatch):
        def fail(descriptor):
            raise OSError(errno.EIO, "Input/output error")

        monkeypatch.setattr(synced.disk, "fsync", fail)
        records = batch(producer_id=synced.producer[0], producer_epoch=0, base_sequence=0, is_transactional=True)
        waiting = synced.start_produce("t", records, version=12, transactional_id=NAME)
        synced.background.finish_all()
        assert not waiting.is_complete
        assert synced.partitions.get("t", 0).log.log_end_offset == 0
        assert synced.closed == ["a change could not be brought to the disk: [Errno 5] Input/output error"]
