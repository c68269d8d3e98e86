"""Produce on real logs; codes, offsets and messages are those of Kafka 4.3.1 to the same requests."""

from __future__ import annotations

import errno

import pytest
from ottla.broker.handlers import produce
from ottla.protocol.compression import Compression
from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.produce import ProduceRequest, TopicProduceData

from ..data_broker import FIRST_TIMESTAMP, DataBroker, batch, told
from ..group_broker import arrived

NO_MAGIC = "Invalid magic found in record: 3"


@pytest.fixture
def broker(tmp_path):
    broker = DataBroker(tmp_path)
    broker.create("t", 2)
    return broker


def outcome(answer):
    return ErrorCode(answer.error_code).name, answer.base_offset, answer.log_start_offset


def refused(answer):
    assert answer.base_offset == -1
    assert answer.error_message is None
    return ErrorCode(answer.error_code).name


@pytest.mark.parametrize("version", range(3, 14))
def test_offsets_follow_each_other(broker, version):
    start = 0 if version >= 5 else -1
    assert outcome(broker.produce("t", batch(3), version=version)) == ("NONE", 0, start)
    assert outcome(broker.produce("t", batch(2), version=version)) == ("NONE", 3, start)
    assert outcome(broker.produce("t", version=version, partition=1)) == ("NONE", 0, start)


def test_create_time_answers_no_time_and_log_append_time_the_brokers(broker):
    assert broker.produce("t").log_append_time_ms == -1
    broker.create("stamped", message_timestamp_type="LogAppendTime")
    assert broker.produce("stamped").log_append_time_ms == broker.clock.now_ms()


@pytest.mark.parametrize("acks", [-2, 2, 9])
def test_acks_are_0_1_or_all(broker, acks):
    assert refused(broker.produce("t", acks=acks)) == "INVALID_REQUIRED_ACKS"
    assert refused(broker.produce("unknown", acks=acks)) == "UNKNOWN_TOPIC_OR_PARTITION"
    assert broker.partitions.get("t", 0).log.log_end_offset == 0


def test_a_partition_that_is_not_there(broker):
    for topic, partition in (("unknown", 0), ("t", 2), ("t", -1)):
        assert refused(broker.produce(topic, partition=partition)) == "UNKNOWN_TOPIC_OR_PARTITION"
    assert refused(broker.produce("t", partition=9, version=13)) == "UNKNOWN_TOPIC_OR_PARTITION"
    assert refused(broker.produce("unknown", version=13)) == "UNKNOWN_TOPIC_ID"


def test_a_partition_fails_alone(broker):
    good, bad, other = broker.produce_all("t", [(0, batch()), (7, batch()), (1, batch(2))])
    assert [outcome(answer)[:2] for answer in (good, bad, other)] == [
        ("NONE", 0),
        ("UNKNOWN_TOPIC_OR_PARTITION", -1),
        ("NONE", 0),
    ]


def changed(position, value):
    records = bytearray(batch())
    records[position] = value
    return bytes(records)


@pytest.mark.parametrize(
    ("records", "code", "log_start_offset"),
    [
        (None, "INVALID_RECORD", -1),
        (b"", "INVALID_RECORD", -1),
        (batch() + batch(), "INVALID_RECORD", -1),
        (batch(10)[:-3], "INVALID_RECORD", -1),
        (changed(16, 1), "INVALID_RECORD", -1),
        (changed(16, 3), "CORRUPT_MESSAGE", -1),
        (changed(-1, 9), "CORRUPT_MESSAGE", -1),
        (changed(7, 9), "INVALID_RECORD", 0),
        (batch(is_control=True, producer_id=1, producer_epoch=0, base_sequence=0), "INVALID_RECORD", 0),
        (batch(producer_id=1, producer_epoch=0, base_sequence=-1), "INVALID_RECORD", 0),
    ],
    ids=["null", "empty", "two", "cut", "magic1", "magic3", "crc", "offset", "control", "sequence"],
)
def test_what_is_not_one_good_batch(broker, records, code, log_start_offset):
    answer = broker.produce("t", records) if records is not None else broker.produce_all("t", [(0, None)])[0]
    assert outcome(answer) == (code, -1, log_start_offset)
    assert answer.error_message == (None if code != "CORRUPT_MESSAGE" or records[16] == 2 else NO_MAGIC)
    assert broker.partitions.get("t", 0).log.log_end_offset == 0


@pytest.mark.parametrize("length", [0, 13, -1])
def test_a_length_that_no_batch_has_is_told(broker, length):
    records = bytearray(batch())
    records[8:12] = length.to_bytes(4, "big", signed=True)
    answer = broker.produce("t", bytes(records))
    assert outcome(answer) == ("CORRUPT_MESSAGE", -1, -1)
    assert answer.error_message == f"Record size {length} is less than the minimum record overhead (14)"
    assert broker.produce("t", bytes(records), version=7).error_message is None
    assert refused(broker.produce("t", batch() + bytes(records))) == "CORRUPT_MESSAGE"


def test_a_topic_without_partitions_is_left_out(broker):
    topics = [TopicProduceData(name="t"), TopicProduceData(name="unknown")]
    assert broker.ask(produce, ProduceRequest(acks=1, topic_data=topics), 12).responses == []


@pytest.mark.parametrize("version", [5, 6])
@pytest.mark.parametrize("codec", [5, 7])
def test_a_codec_that_nobody_knows(broker, codec, version):
    assert outcome(broker.produce("t", changed(22, codec), version=version)) == ("UNKNOWN_SERVER_ERROR", -1, -1)


def test_bytes_behind_the_batch_are_ignored(broker):
    assert outcome(broker.produce("t", batch() + b"xyz")) == ("NONE", 0, 0)


def test_a_batch_that_is_too_large(broker):
    broker.create("small", max_message_bytes="200")
    assert outcome(broker.produce("small", batch(value=b"v" * 500))) == ("MESSAGE_TOO_LARGE", -1, -1)


def test_records_at_fault_are_named(broker):
    broker.create("compacted", cleanup_policy="compact")
    answer = broker.produce("compacted", batch(2, key=None))
    assert outcome(answer) == ("INVALID_RECORD", -1, 0)
    assert answer.error_message.startswith("One or more records have been rejected")
    assert [error.batch_index for error in answer.record_errors] == [0, 1]
    assert "without key" in answer.record_errors[0].batch_index_error_message
    before = broker.produce("compacted", batch(2, key=None), version=7)
    assert (before.error_code, before.record_errors) == (ErrorCode.INVALID_RECORD, [])


def test_a_timestamp_out_of_range(broker):
    future = batch(start_ms=FIRST_TIMESTAMP + 10_000_000)
    answer = broker.produce("t", future)
    assert outcome(answer) == ("INVALID_TIMESTAMP", -1, 0)
    assert answer.error_message == "One or more records have been rejected due to invalid timestamp"


def test_zstd_from_version_7(broker):
    records = batch(3, compression=Compression.ZSTD)
    assert refused(broker.produce("t", records, version=6)) == "UNSUPPORTED_COMPRESSION_TYPE"
    assert outcome(broker.produce("t", records, version=7)) == ("NONE", 0, 0)


def test_min_insync_replicas_asks_for_no_more_than_there_are(broker):
    broker.create("careful", min_insync_replicas="2")
    assert outcome(broker.produce("careful", acks=-1)) == ("NONE", 0, 0)


class TestIdempotence:
    @staticmethod
    def send(broker, sequence, count=1, epoch=0, **fields):
        return broker.produce("t", batch(count, producer_id=7, producer_epoch=epoch, base_sequence=sequence), **fields)

    def test_a_duplicate_answers_the_first_offset(self, broker):
        assert outcome(self.send(broker, 0, 2)) == ("NONE", 0, 0)
        assert outcome(self.send(broker, 2)) == ("NONE", 2, 0)
        assert outcome(self.send(broker, 0, 2)) == ("NONE", 0, 0)
        assert outcome(self.send(broker, 2)) == ("NONE", 2, 0)
        assert broker.partitions.get("t", 0).log.log_end_offset == 3

    def test_a_gap_and_a_duplicate_that_is_too_old(self, broker):
        for sequence in range(7):
            self.send(broker, sequence)
        assert outcome(self.send(broker, 9)) == ("OUT_OF_ORDER_SEQUENCE_NUMBER", -1, 0)
        assert outcome(self.send(broker, 0)) == ("OUT_OF_ORDER_SEQUENCE_NUMBER", -1, 0)
        assert outcome(self.send(broker, 2)) == ("NONE", 2, 0)

    def test_a_new_epoch_begins_at_0_and_fences_the_old_one(self, broker):
        self.send(broker, 0)
        assert refused(self.send(broker, 5, epoch=1)) == "OUT_OF_ORDER_SEQUENCE_NUMBER"
        assert outcome(self.send(broker, 0, epoch=1)) == ("NONE", 1, 0)
        assert refused(self.send(broker, 1, epoch=0)) == "INVALID_PRODUCER_EPOCH"

    def test_a_duplicate_wakes_nobody(self, broker):
        self.send(broker, 0)
        waiting = broker.fetch(("t", [{"fetch_offset": 1}]), max_wait_ms=1000)
        self.send(broker, 0)
        assert not waiting.is_complete


class TestAcks0:
    def test_there_is_no_answer(self, broker):
        assert broker.produce_all("t", [(0, batch())], acks=0) is None
        assert broker.partitions.get("t", 0).log.log_end_offset == 1
        assert broker.closed == []

    def test_an_error_closes_the_connection(self, broker):
        assert broker.produce_all("t", [(0, batch()), (9, batch())], acks=0) is None
        assert broker.closed == ["a produce with acks=0 failed: UNKNOWN_TOPIC_OR_PARTITION"]

    def test_readers_are_woken(self, broker):
        waiting = broker.fetch(("t", [{}]), max_wait_ms=1000)
        broker.produce_all("t", [(0, batch())], acks=0)
        assert told(waiting) == [(0, 0, len(batch()))]


class TestTransactions:
    records = batch(producer_id=7, producer_epoch=0, base_sequence=0, is_transactional=True)

    def test_need_a_coordinator(self, broker):
        answer = broker.produce("t", self.records, transactional_id="mine")
        assert (answer.error_code, answer.error_message) == (
            ErrorCode.NOT_ENOUGH_REPLICAS,
            "Unable to verify the partition has been added to the transaction. "
            "Underlying error: COORDINATOR_NOT_AVAILABLE",
        )

    def test_need_a_transactional_id(self, broker):
        assert refused(broker.produce("t", self.records)) == "TRANSACTIONAL_ID_AUTHORIZATION_FAILED"

    def test_without_a_transactional_id_nothing_of_the_request_is_authorized(self, broker):
        answers = broker.produce_all("t", [(0, batch()), (1, self.records), (9, batch())])
        assert [refused(answer) for answer in answers] == ["TRANSACTIONAL_ID_AUTHORIZATION_FAILED"] * 3
        assert broker.partitions.get("t", 0).log.log_end_offset == 0

    def test_without_a_transactional_id_and_without_an_answer_the_connection_ends(self, broker):
        assert broker.produce_all("t", [(0, batch()), (1, self.records)], acks=0) is None
        assert broker.closed == ["a produce with acks=0 failed: TRANSACTIONAL_ID_AUTHORIZATION_FAILED"]
        assert broker.partitions.get("t", 0).log.log_end_offset == 0

    def test_plain_batches_may_come_with_a_transactional_id(self, broker):
        assert outcome(broker.produce("t", transactional_id="mine")) == ("NONE", 0, 0)


def test_the_brokers_own_topics_are_not_for_producers(broker):
    broker.metadata.ensure_internal_topic("__consumer_offsets")
    assert refused(broker.produce("__consumer_offsets")) == "INVALID_TOPIC_EXCEPTION"


def test_a_full_disk_refuses_and_takes_again(broker):
    broker.disk.full = True
    assert refused(broker.produce("t")) == "KAFKA_STORAGE_ERROR"
    broker.disk.full = False
    assert outcome(broker.produce("t")) == ("NONE", 0, 0)


def test_a_partition_off_line(broker):
    broker.partitions.get("t", 0).take_offline("the disk is gone")
    assert refused(broker.produce("t")) == "KAFKA_STORAGE_ERROR"
    assert outcome(broker.produce("t", partition=1)) == ("NONE", 0, 0)


def produced(answer):
    """What a parked produce of one partition was answered."""
    return arrived(answer, 9).responses[0].partition_responses[0]


class TestFlushMessages:
    @pytest.fixture
    def synced(self, broker):
        """A topic of which each record is synced, on a disk that takes its time."""
        broker.create("synced", flush_messages="1")
        broker.background.hold = True
        return broker

    def test_one_sync_answers_all_producers_that_wait(self, synced):
        waiting = [synced.start_produce("synced", batch(2)) for _ in range(5)]
        synced.background.finish_one()
        assert [one.is_complete for one in waiting] == [True] + [False] * 4
        synced.background.finish_one()
        assert not synced.background.waiting
        assert [produced(one).base_offset for one in waiting] == [0, 2, 4, 6, 8]

    def test_readers_see_it_when_it_is_on_the_disk(self, synced):
        partition = synced.partitions.get("synced", 0)
        synced.start_produce("synced", batch(3))
        assert (partition.log.high_watermark, partition.log.log_end_offset) == (0, 3)
        synced.background.finish_all()
        assert partition.log.high_watermark == 3

    def test_others_do_not_wait(self, synced):
        first, second = synced.start_produce("synced"), synced.produce("t")
        assert not first.is_complete
        assert second.error_code == 0

    def test_a_duplicate_waits_for_the_sync_of_what_it_repeats(self, synced):
        sent = batch(producer_id=9, producer_epoch=0, base_sequence=0)
        waiting = [synced.start_produce("synced", sent) for _ in range(2)]
        assert not any(one.is_complete for one in waiting)
        synced.background.finish_all()
        assert [outcome(produced(one))[:2] for one in waiting] == [("NONE", 0)] * 2

    def test_a_sync_that_fails_is_an_error_and_takes_the_partition_off_line(self, synced, monkeypatch):
        def fail(descriptor):
            raise OSError(errno.EIO, "Input/output error")

        monkeypatch.setattr(synced.disk, "fsync", fail)
        waiting = synced.start_produce("synced")
        synced.background.finish_all()
        assert outcome(produced(waiting)) == ("KAFKA_STORAGE_ERROR", -1, -1)
        assert refused(synced.produce("synced")) == "KAFKA_STORAGE_ERROR"
        assert synced.produce("t").error_code == 0
