"""Parked fetches: answered when there is enough, when something is wrong, or when their time is over; never before."""

from __future__ import annotations

import errno
import os

import pytest
from ottla.broker.handlers import delete_records
from ottla.broker.request import Deferred
from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.delete_records import DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic

from ..data_broker import DataBroker, batch, told
from ..group_broker import arrived

DESCRIPTORS = "/proc/self/fd"
MEGABYTE = 1 << 20
SIZE = len(batch())


@pytest.fixture
def broker(tmp_path):
    broker = DataBroker(tmp_path)
    broker.create("t", 2)
    return broker


def test_a_megabyte_within_five_seconds_is_answered_when_it_is_there(broker):
    waiting = broker.fetch(("t", [{}]), max_wait_ms=5000, min_bytes=MEGABYTE)
    piece = batch(value=b"v" * 100_000)
    for _ in range(MEGABYTE // len(piece)):
        broker.advance(400)
        broker.produce("t", piece)
        assert not waiting.is_complete
    broker.produce("t", piece)
    assert told(waiting)[0][2] >= MEGABYTE
    assert broker.clock.monotonic_ms() < 5000
    assert len(broker.fetches) == 0


def test_without_the_megabyte_it_is_answered_after_five_seconds(broker):
    waiting = broker.fetch(("t", [{}]), max_wait_ms=5000, min_bytes=MEGABYTE)
    broker.produce("t")
    broker.advance(4999)
    assert not waiting.is_complete
    broker.advance(1)
    assert told(waiting) == [(0, 0, SIZE)]
    assert len(broker.fetches) == 0


def test_bytes_of_all_partitions_count(broker):
    waiting = broker.fetch(("t", [{}, {"partition": 1}]), max_wait_ms=5000, min_bytes=2 * SIZE)
    broker.produce("t")
    assert not waiting.is_complete
    broker.produce("t", partition=1)
    assert told(waiting) == [(0, 0, SIZE), (1, 0, SIZE)]


def test_a_partition_counts_no_more_than_its_limit(broker):
    limits = [{"partition_max_bytes": SIZE}, {"partition": 1}]
    waiting = broker.fetch(("t", limits), max_wait_ms=5000, min_bytes=2 * SIZE)
    broker.produce("t")
    broker.produce("t")
    broker.produce("t")
    assert not waiting.is_complete
    broker.produce("t", partition=1)
    assert told(waiting) == [(0, 0, SIZE), (1, 0, SIZE)]


def test_a_produce_to_two_partitions_is_seen_whole(broker):
    waiting = broker.fetch(("t", [{}, {"partition": 1}]), max_wait_ms=5000)
    broker.produce_all("t", [(0, batch()), (1, batch())])
    assert told(waiting) == [(0, 0, SIZE), (1, 0, SIZE)]


def test_bytes_that_a_read_may_not_split_count_nevertheless(broker):
    """The first partition fills its own answer; the second one's batch does not fit, but is there."""
    broker.produce("t")
    broker.produce("t", partition=1)
    too_small = [{"partition_max_bytes": SIZE}, {"partition": 1, "partition_max_bytes": SIZE - 1}]
    answer = broker.fetch(("t", too_small), max_wait_ms=5000, min_bytes=2 * SIZE - 1)
    assert told(answer) == [(0, 0, SIZE), (1, 0, 0)]


def test_a_reader_in_an_older_segment_does_not_wait(tmp_path):
    broker = DataBroker(tmp_path)
    broker.create("t", segment_bytes=str(MEGABYTE))
    large = batch(value=b"v" * 600_000)
    broker.produce("t", large)
    broker.produce("t", large)
    answer = broker.fetch(("t", [{}]), max_wait_ms=5000, min_bytes=10 * MEGABYTE)
    assert told(answer) == [(0, 0, len(large))]


def test_a_new_segment_answers_who_waited_at_the_end_of_the_old_one(tmp_path):
    broker = DataBroker(tmp_path)
    broker.create("t", segment_bytes=str(MEGABYTE))
    large = batch(value=b"v" * 600_000)
    broker.produce("t", large)
    waiting = broker.fetch(("t", [{"fetch_offset": 1}]), max_wait_ms=5000, min_bytes=10 * MEGABYTE)
    broker.produce("t", large)
    assert told(waiting) == [(0, 0, len(large))]


def test_a_deleted_topic_answers_its_readers_at_once(broker):
    waiting = broker.fetch(("t", [{}]), max_wait_ms=5000)
    broker.metadata.delete_topic(broker.metadata.image.topics_by_name["t"])
    assert told(waiting) == [(0, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, 0)]


def test_a_partition_that_goes_off_line_answers_its_readers_at_once(broker):
    waiting = broker.fetch(("t", [{}, {"partition": 1}]), max_wait_ms=5000)
    broker.partitions.get("t", 1).take_offline("the disk is gone")
    assert told(waiting) == [(0, 0, 0), (1, ErrorCode.KAFKA_STORAGE_ERROR, 0)]


def test_deleted_records_are_noticed_at_the_end(broker):
    broker.produce("t")
    waiting = broker.fetch(("t", [{}]), max_wait_ms=1000, min_bytes=MEGABYTE)
    partition = DeleteRecordsPartition(partition_index=0, offset=1)
    broker.ask(delete_records, DeleteRecordsRequest(topics=[DeleteRecordsTopic(name="t", partitions=[partition])]), 2)
    assert not waiting.is_complete
    broker.advance(1000)
    assert told(waiting) == [(0, ErrorCode.OFFSET_OUT_OF_RANGE, 0)]


def test_a_closed_connection_leaves_nothing_behind(broker):
    waiting = broker.fetch(("t", [{}, {"partition": 1}]), max_wait_ms=5000)
    assert len(broker.fetches) == 1
    waiting.abandon()
    assert len(broker.fetches) == 0
    assert not broker.partitions.get("t", 0).watches
    assert not broker.partitions.get("t", 1).watches
    broker.produce("t")
    broker.advance(6000)
    assert not waiting.is_complete


def test_those_whose_time_is_over_are_answered_in_turn(broker):
    patience_ms = [900, 300, 600]
    waiting = [broker.fetch(("t", [{}]), max_wait_ms=wait_ms) for wait_ms in patience_ms]
    for passed_ms in range(300, 1200, 300):
        broker.advance(300)
        assert [fetch.is_complete for fetch in waiting] == [wait_ms <= passed_ms for wait_ms in patience_ms]


def test_one_record_answers_thousands_with_one_read(broker, monkeypatch):
    waiting = [broker.fetch(("t", [{}]), max_wait_ms=5000) for _ in range(3000)]
    log = broker.partitions.get("t", 0).log
    reads = []
    original = type(log).read

    def counted(self, *arguments, **keywords):
        reads.append(arguments)
        return original(self, *arguments, **keywords)

    monkeypatch.setattr(type(log), "read", counted)
    broker.produce("t")
    assert all(told(fetch) == [(0, 0, SIZE)] for fetch in waiting)
    assert len(reads) == 1
    assert len(broker.fetches) == 0


def test_an_answer_is_shared_only_by_those_who_asked_for_the_same(broker):
    """Whoever wants less, knows topics by other names, or believes in another epoch gets an answer of its own."""
    partition = broker.partitions.get("t", 0)
    wishes = [
        ({}, {}),
        ({}, {}),
        ({"partition_max_bytes": SIZE}, {}),
        ({}, {"max_bytes": SIZE}),
        ({}, {"version": 13}),
        ({}, {"isolation_level": 1}),
        ({"current_leader_epoch": 0}, {}),
    ]
    waiting = [broker.fetch(("t", [wish]), max_wait_ms=5000, **fields) for wish, fields in wishes]
    partition.append_quietly(memoryview(bytearray(batch())), broker.clock.now_ms())
    partition.append_quietly(memoryview(bytearray(batch())), broker.clock.now_ms())
    partition.leader_epoch += 1
    partition.tell_changed()
    assert [told(fetch) for fetch in waiting[:4]] == [[(0, 0, size)] for size in (2 * SIZE, 2 * SIZE, SIZE, SIZE)]
    by_id = arrived(waiting[4], 13).responses[0]
    assert (by_id.topic, by_id.topic_id) == ("", broker.topic_id("t"))
    assert arrived(waiting[0], 12).responses[0].topic == "t"
    assert arrived(waiting[5], 12).responses[0].partitions[0].aborted_transactions == []
    assert told(waiting[6]) == [(0, ErrorCode.FENCED_LEADER_EPOCH, 0)]
    assert waiting[0].response is not waiting[1].response
    assert waiting[0].response.responses is waiting[1].response.responses


def test_only_a_few_timers_stand_for_thousands(broker):
    for round_number in range(3):
        for _ in range(2000):
            broker.fetch(("t", [{"fetch_offset": round_number}]), max_wait_ms=5000)
        broker.produce("t")
        broker.advance(1)
    assert len(broker.fetches) == 0
    assert len(broker.fetches._heap) < 4000


@pytest.mark.skipif(not os.path.isdir(DESCRIPTORS), reason="it counts descriptors as Linux shows them")
def test_an_answer_that_was_given_holds_no_file(broker):
    """What is answered before its deadline stays in the purgatory's heap for a while, but not its records."""
    before = len(os.listdir(DESCRIPTORS))
    for offset in range(30):
        waiting = broker.fetch(("t", [{"fetch_offset": offset}]), max_wait_ms=5000)
        broker.produce("t", batch(value=b"v" * 100_000))
        assert told(waiting)[0][2] > 100_000
    del waiting
    assert len(broker.fetches._heap) == 30
    assert len(os.listdir(DESCRIPTORS)) <= before + 2


def test_read_committed_waits_for_the_stable_offset(broker):
    partition = broker.partitions.get("t", 0)
    transactional = bytearray(batch(producer_id=9, producer_epoch=0, base_sequence=0, is_transactional=True))
    committed = broker.fetch(("t", [{}]), max_wait_ms=1000, isolation_level=1)
    uncommitted = broker.fetch(("t", [{}]), max_wait_ms=1000)
    partition.append(memoryview(transactional), now_ms=broker.clock.now_ms())
    assert told(uncommitted)[0][2] > 0
    assert not committed.is_complete
    broker.produce("t")
    assert not committed.is_complete
    broker.advance(1000)
    assert told(committed) == [(0, 0, 0)]


def test_a_disk_that_does_not_read_is_told(broker, monkeypatch):
    waiting = broker.fetch(("t", [{}]), max_wait_ms=5000)

    def fail(*arguments, **keywords):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(type(broker.partitions.get("t", 0).log), "read", fail)
    broker.produce("t")
    assert told(waiting) == [(0, ErrorCode.KAFKA_STORAGE_ERROR, 0)]


def test_what_is_there_is_answered_at_once(broker):
    broker.produce("t")
    assert not isinstance(broker.fetch(("t", [{}]), max_wait_ms=5000), Deferred)
    assert not isinstance(broker.fetch(("t", [{"fetch_offset": 1}]), max_wait_ms=0), Deferred)
    assert not isinstance(broker.fetch(("t", [{"fetch_offset": 1}]), max_wait_ms=5000, min_bytes=0), Deferred)
    assert isinstance(broker.fetch(("t", [{"fetch_offset": 1}]), max_wait_ms=5000), Deferred)
