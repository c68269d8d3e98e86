"""Fetch on real logs; what is answered is what Kafka 4.3.1 answers to the same requests."""

from __future__ import annotations

import errno

import pytest
from ottla.broker.request import Deferred
from ottla.protocol.compression import Compression
from ottla.protocol.errors import ErrorCode

from ..data_broker import DataBroker, batch, told

THREE = batch(3, value=b"v" * 100)
SIZE = len(THREE)


@pytest.fixture
def broker(tmp_path):
    """Partition 0 holds three batches of three records, partition 1 holds one batch."""
    broker = DataBroker(tmp_path)
    broker.create("t", 2)
    for _ in range(3):
        broker.produce("t", THREE)
    broker.produce("t", THREE, partition=1)
    return broker


def only(response):
    assert len(response.responses) == 1
    assert len(response.responses[0].partitions) == 1
    return response.responses[0].partitions[0]


def error_of(response):
    data = only(response)
    assert (data.high_watermark, data.last_stable_offset, data.log_start_offset) == (-1, -1, -1)
    assert data.records == b""
    return ErrorCode(data.error_code).name


@pytest.mark.parametrize("version", range(4, 19))
def test_every_version_reads(broker, version):
    data = only(broker.fetch(("t", [{}]), version=version))
    assert (data.error_code, data.high_watermark, data.last_stable_offset) == (0, 9, 9)
    assert data.log_start_offset == (0 if version >= 5 else -1)
    assert data.aborted_transactions is None
    assert len(data.records) == 3 * SIZE
    assert int.from_bytes(data.records[SIZE : SIZE + 8], "big") == 3


def test_an_offset_within_a_batch_returns_the_batch(broker):
    data = only(broker.fetch(("t", [{"fetch_offset": 4}])))
    assert int.from_bytes(data.records[:8], "big") == 3


def test_the_end_is_empty_and_beyond_it_is_out_of_range(broker):
    assert only(broker.fetch(("t", [{"fetch_offset": 9}]))).records == b""
    for offset in (10, -1):
        assert error_of(broker.fetch(("t", [{"fetch_offset": offset}]))) == "OFFSET_OUT_OF_RANGE"


def test_what_is_not_there(broker):
    assert error_of(broker.fetch(("unknown", [{}]))) == "UNKNOWN_TOPIC_OR_PARTITION"
    assert error_of(broker.fetch(("t", [{"partition": 9}]))) == "UNKNOWN_TOPIC_OR_PARTITION"
    assert error_of(broker.fetch(("t", [{"partition": 9}]), version=13)) == "UNKNOWN_TOPIC_OR_PARTITION"
    assert error_of(broker.fetch(("unknown", [{}]), version=13)) == "UNKNOWN_TOPIC_ID"


@pytest.mark.parametrize(
    ("limit", "size"),
    [(0, SIZE), (1, SIZE), (SIZE, SIZE), (SIZE + 1, SIZE + 1), (2 * SIZE, 2 * SIZE), (1 << 20, 3 * SIZE)],
)
def test_limits_hold_but_one_batch_always_comes(broker, limit, size):
    assert told(broker.fetch(("t", [{"partition_max_bytes": limit}]))) == [(0, 0, size)]
    assert told(broker.fetch(("t", [{}]), max_bytes=limit)) == [(0, 0, size)]


def test_only_the_first_partition_may_exceed_the_limits(broker):
    small = [{"partition_max_bytes": 1}, {"partition": 1, "partition_max_bytes": 1}]
    assert told(broker.fetch(("t", small))) == [(0, 0, SIZE), (1, 0, 0)]
    assert told(broker.fetch(("t", list(reversed(small))))) == [(1, 0, SIZE), (0, 0, 0)]
    both = [{}, {"partition": 1}]
    assert told(broker.fetch(("t", both), max_bytes=3 * SIZE)) == [(0, 0, 3 * SIZE), (1, 0, 0)]
    assert told(broker.fetch(("t", both), max_bytes=4 * SIZE)) == [(0, 0, 3 * SIZE), (1, 0, SIZE)]


def test_the_brokers_own_limit_holds(tmp_path):
    broker = DataBroker(tmp_path, "fetch.max.bytes=1024")
    broker.create("t")
    for _ in range(5):
        broker.produce("t", THREE)
    assert told(broker.fetch(("t", [{}]))) == [(0, 0, 1024)]


def test_a_negative_limit_harms_nobody_else(broker):
    assert error_of(broker.fetch(("t", [{"partition_max_bytes": -5}]))) == "UNKNOWN_SERVER_ERROR"
    assert error_of(broker.fetch(("t", [{}]), max_bytes=-5)) == "UNKNOWN_SERVER_ERROR"
    assert told(broker.fetch(("t", [{}]))) == [(0, 0, 3 * SIZE)]


@pytest.mark.parametrize(("epoch", "code"), [(-2, "NONE"), (-1, "NONE"), (0, "NONE"), (1, "UNKNOWN_LEADER_EPOCH")])
def test_leader_epochs(broker, epoch, code):
    data = only(broker.fetch(("t", [{"current_leader_epoch": epoch}])))
    assert ErrorCode(data.error_code).name == code


def test_an_old_leader_epoch_is_fenced(broker):
    broker.partitions.get("t", 0).leader_epoch = 4
    assert error_of(broker.fetch(("t", [{"current_leader_epoch": 3}]))) == "FENCED_LEADER_EPOCH"


def test_a_reader_whose_log_parted_from_ours(broker):
    log = broker.partitions.get("t", 0).log
    log.leader_epochs.assign(5, 9)
    broker.partitions.get("t", 0).leader_epoch = 5
    broker.produce("t", THREE)
    parted = only(broker.fetch(("t", [{"last_fetched_epoch": 3, "fetch_offset": 7}]), max_wait_ms=1000))
    assert (parted.diverging_epoch.epoch, parted.diverging_epoch.end_offset, parted.records) == (0, 9, b"")
    ahead = only(broker.fetch(("t", [{"last_fetched_epoch": 0, "fetch_offset": 11}])))
    assert (ahead.diverging_epoch.epoch, ahead.diverging_epoch.end_offset) == (0, 9)
    together = only(broker.fetch(("t", [{"last_fetched_epoch": 5, "fetch_offset": 9}])))
    assert (together.diverging_epoch, len(together.records)) == (None, SIZE)
    assert error_of(broker.fetch(("t", [{"last_fetched_epoch": 9}]))) == "OFFSET_OUT_OF_RANGE"


@pytest.mark.parametrize("version", [12, 15])
def test_nobody_else_is_a_replica(broker, version):
    assert error_of(broker.fetch(("t", [{}]), version=version, replica_id=1)) == "NOT_LEADER_OR_FOLLOWER"
    with_epoch = broker.fetch(("t", [{"current_leader_epoch": 0}]), version=version, replica_id=1)
    assert error_of(with_epoch) == "UNKNOWN_LEADER_EPOCH"
    assert told(broker.fetch(("t", [{}]), version=version, replica_id=-2)) == [(0, 0, 3 * SIZE)]


@pytest.mark.parametrize(("version", "hint"), [(15, None), (16, (1, 0)), (18, (1, 0))])
def test_who_takes_itself_for_a_replica_is_shown_the_leader(broker, version, hint):
    leader = only(broker.fetch(("t", [{}]), version=version, replica_id=2)).current_leader
    assert (leader and (leader.leader_id, leader.leader_epoch)) == hint


@pytest.mark.parametrize(("version", "topics"), [(4, 1), (12, 1), (13, 0), (18, 0)])
@pytest.mark.parametrize("level", [2, -1])
def test_an_isolation_level_that_is_not_there_is_an_error(broker, level, version, topics):
    response = broker.fetch(("t", [{}]), version=version, isolation_level=level)
    assert response.error_code == (ErrorCode.UNKNOWN_SERVER_ERROR if version >= 7 else 0)
    assert len(response.responses) == topics
    if topics:
        assert error_of(response) == "UNKNOWN_SERVER_ERROR"


def test_what_is_not_there_comes_last_and_lets_the_others_wait(broker):
    mixed = ("unknown", [{}]), ("t", [{"fetch_offset": 9}])
    waiting = broker.fetch(*mixed, max_wait_ms=500)
    assert isinstance(waiting, Deferred)
    broker.advance(500)
    assert told(waiting) == [(0, 0, 0), (0, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, 0)]


@pytest.mark.parametrize("wrong", [{"fetch_offset": 99}, {"current_leader_epoch": 7}])
def test_an_error_is_answered_at_once(broker, wrong):
    answer = broker.fetch(("t", [{"fetch_offset": 9}, {"partition": 1, **wrong}]), max_wait_ms=500)
    assert not isinstance(answer, Deferred)


def test_a_fetch_of_nothing_does_not_wait(broker):
    assert broker.fetch(max_wait_ms=500).responses == []


def test_topics_that_stand_together_are_grouped(broker):
    broker.create("u")
    topics = broker.fetch(("t", [{}]), ("u", [{}]), ("t", [{"partition": 1}])).responses
    assert [(topic.topic, len(topic.partitions)) for topic in topics] == [("t", 1), ("u", 1), ("t", 1)]


def test_zstd_is_returned_in_every_version(broker):
    broker.create("z")
    broker.produce("z", batch(3, compression=Compression.ZSTD))
    assert only(broker.fetch(("z", [{}]), version=4)).error_code == 0


def test_empty_records_are_empty_not_null(broker):
    for topic, fields in (("t", {"fetch_offset": 9}), ("unknown", {})):
        assert only(broker.fetch((topic, [fields]))).records == b""


class TestReadCommitted:
    def test_without_transactions_it_reads_everything(self, broker):
        data = only(broker.fetch(("t", [{}]), isolation_level=1))
        assert (len(data.records), data.aborted_transactions) == (3 * SIZE, [])

    def test_it_stops_at_an_open_transaction(self, broker):
        partition = broker.partitions.get("t", 0)
        records = bytearray(batch(producer_id=9, producer_epoch=0, base_sequence=0, is_transactional=True))
        partition.append(memoryview(records), now_ms=broker.clock.now_ms())
        broker.produce("t", THREE)
        data = only(broker.fetch(("t", [{}]), isolation_level=1))
        assert (data.high_watermark, data.last_stable_offset, len(data.records)) == (13, 9, 3 * SIZE)
        data = only(broker.fetch(("t", [{}])))
        assert (data.last_stable_offset, len(data.records)) == (9, 4 * SIZE + len(records))


class TestSessions:
    def test_only_what_changed_is_told(self, broker):
        first = broker.fetch(("t", [{"fetch_offset": 9}, {"partition": 1, "fetch_offset": 3}]), session_epoch=0)
        assert (first.session_id > 0, len(told(first))) == (True, 2)
        assert told(broker.fetch(session_id=first.session_id, session_epoch=1)) == []
        broker.produce("t", THREE, partition=1)
        again = broker.fetch(session_id=first.session_id, session_epoch=2)
        assert told(again) == [(1, 0, SIZE)]

    def test_a_parked_session_is_woken_by_any_of_its_partitions(self, broker):
        first = broker.fetch(("t", [{"fetch_offset": 9}, {"partition": 1, "fetch_offset": 3}]), session_epoch=0)
        waiting = broker.fetch(session_id=first.session_id, session_epoch=1, max_wait_ms=5000)
        broker.produce("t", THREE, partition=1)
        assert told(waiting) == [(1, 0, SIZE)]

    def test_an_error_of_the_session_is_answered_at_once(self, broker):
        response = broker.fetch(session_id=5, session_epoch=1, max_wait_ms=5000)
        assert (response.error_code, response.session_id) == (ErrorCode.FETCH_SESSION_ID_NOT_FOUND, 0)

    def test_partitions_take_turns_when_not_all_fit(self, broker):
        first = broker.fetch(("t", [{}, {"partition": 1}]), session_epoch=0, max_bytes=1)
        assert told(first) == [(0, 0, SIZE), (1, 0, 0)]
        second = broker.fetch(session_id=first.session_id, session_epoch=1, max_bytes=1)
        assert told(second) == [(0, 0, SIZE)]
        third = broker.fetch(session_id=first.session_id, session_epoch=2, max_bytes=1)
        assert told(third) == [(1, 0, SIZE)]

    def test_a_topic_that_was_made_anew_is_not_the_one_of_the_session(self, broker):
        first = broker.fetch(("t", [{}]), session_epoch=0, version=13)
        broker.metadata.delete_topic(broker.metadata.image.topics_by_name["t"])
        gone = broker.fetch(session_id=first.session_id, session_epoch=1, version=13)
        assert told(gone) == [(0, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, 0)]
        broker.create("t")
        other = broker.fetch(session_id=first.session_id, session_epoch=2, version=13, max_wait_ms=5000)
        assert told(other) == [(0, ErrorCode.INCONSISTENT_TOPIC_ID, 0)]


def test_a_disk_that_does_not_read_takes_the_partition_off_line(broker, monkeypatch):
    def fail(*arguments, **keywords):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(type(broker.partitions.get("t", 0).log), "read", fail)
        assert error_of(broker.fetch(("t", [{}]))) == "KAFKA_STORAGE_ERROR"
    assert error_of(broker.fetch(("t", [{}]))) == "KAFKA_STORAGE_ERROR"
    assert told(broker.fetch(("t", [{"partition": 1}]))) == [(1, 0, SIZE)]


def test_a_file_that_fails_while_it_is_sent_takes_the_partition_off_line(broker):
    broker.produce("t", batch(value=bytes(100_000)), partition=1)
    partition = broker.partitions.get("t", 1)
    records = partition.read(3, 1 << 20, 4, min_one_batch=True)
    assert only(broker.fetch(("t", [{"partition": 1, "fetch_offset": 3}]))).records == records.read()
    records.failed(OSError(errno.EIO, "Input/output error"))
    assert error_of(broker.fetch(("t", [{"partition": 1}]))) == "KAFKA_STORAGE_ERROR"
    assert len(only(broker.fetch(("t", [{}]))).records) == 3 * SIZE
