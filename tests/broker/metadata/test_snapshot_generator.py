"""When snapshots come and go, and what a start makes of what it finds."""

from __future__ import annotations

import logging
import re

import pytest
from ottla.broker.metadata.image import ResourceType
from ottla.broker.metadata.metadata_reader import UnreadableMetadata
from ottla.broker.metadata.snapshots import (
    SnapshotId,
    last_contained_timestamp,
    leftovers_in,
    newest_snapshot,
    snapshot_batches,
    snapshots_in,
)
from ottla.storage.log_config import LogConfig

from ..metadata_broker import MetadataBroker

DUMP_LOG = "org.apache.kafka.tools.DumpLogSegments"
BY_BYTES = ["metadata.log.max.record.bytes.between.snapshots=1000"]
NEVER = ["metadata.log.max.snapshot.interval.ms=0"]


def state_of(image):
    return {name: value for name, value in vars(image).items() if name != "last_offset"}


def names(broker):
    return [snapshot.file_name for snapshot in snapshots_in(str(broker.directory))]


def grow(broker, count, first=0):
    for number in range(first, first + count):
        broker.create(f"topic-{number}", 2, retention_ms=str(number + 1))


class TestWhen:
    def test_after_so_many_bytes_of_records(self, tmp_path):
        broker = MetadataBroker(tmp_path, BY_BYTES)
        assert names(broker) == []
        while not names(broker):
            before = broker.metadata_log.bytes_since_snapshot
            assert before < 1000
            broker.create(f"topic-{broker.metadata_log.end_offset}")
        assert broker.metadata_log.bytes_since_snapshot == 0
        newest = newest_snapshot(str(broker.directory))
        assert newest == (broker.metadata_log.end_offset, broker.metadata_log.leader_epoch)

    def test_after_so_much_time_in_which_something_was_decided(self, tmp_path):
        broker = MetadataBroker(tmp_path, ["metadata.log.max.snapshot.interval.ms=5000"])
        broker.clock.advance(4_999)
        broker.metadata.snapshots.look()
        assert names(broker) == []
        broker.clock.advance(1)
        broker.metadata.snapshots.look()
        assert len(names(broker)) == 1
        broker.clock.advance(50_000)
        broker.metadata.snapshots.look()
        assert len(names(broker)) == 1
        broker.create("orders")
        broker.metadata.snapshots.look()
        assert len(names(broker)) == 2

    def test_never_by_time_when_the_interval_is_0(self, tmp_path):
        broker = MetadataBroker(tmp_path, NEVER)
        broker.clock.advance(10**9)
        broker.metadata.snapshots.look()
        assert names(broker) == []

    def test_the_records_of_earlier_runs_count(self, tmp_path):
        broker = MetadataBroker(tmp_path, NEVER)
        grow(broker, 10)
        broker.config = broker.metadata.config = None
        broker.metadata.close()
        again = MetadataBroker(tmp_path, BY_BYTES)
        assert len(names(again)) == 1


class TestContent:
    def test_a_start_from_snapshot_and_tail_is_a_start_from_the_whole_log(self, tmp_path):
        broker = MetadataBroker(tmp_path, BY_BYTES)
        grow(broker, 12)
        broker.metadata.delete_topic(broker.metadata.image.topics_by_name["topic-3"])
        broker.metadata.allocate_producer_ids()
        broker.metadata.set_configs(ResourceType.TOPIC, "topic-4", {"retention.ms": None})
        lived = state_of(broker.metadata.image)
        assert len(names(broker)) > 1
        _, _, replayed = broker.replayed()
        assert state_of(replayed.image) == lived
        assert replayed.last_offset == broker.metadata.last_offset

    def test_header_and_footer_are_control_batches_of_the_snapshots_epoch(self, tmp_path):
        broker = MetadataBroker(tmp_path, NEVER)
        broker.restart()
        broker.clock.advance(777)
        broker.create("orders")
        said_ms = broker.clock.now_ms()
        broker.clock.advance(5)
        snapshot, work = broker.metadata_log.capture_snapshot(broker.metadata.image.copy(), 30)
        path = broker.directory / snapshot.file_name
        assert work() == path.stat().st_size
        headers = [header for _, header in snapshot_batches(str(path))]
        assert [header.is_control for header in headers] == [True, *[False] * (len(headers) - 2), True]
        assert {header.partition_leader_epoch for header in headers} == {2}
        assert [header.base_offset for header in headers[1:]] == [header.next_offset for header in headers[:-1]]
        assert last_contained_timestamp(str(path)) == said_ms
        assert path.stat().st_mode & 0o777 == 0o444

    def test_kafkas_own_tool_reads_it_without_complaint(self, tmp_path, java_tools):
        broker = MetadataBroker(tmp_path, BY_BYTES)
        grow(broker, 12)
        broker.metadata.allocate_producer_ids()
        newest = broker.directory / names(broker)[-1]
        for option in ("--print-data-log", "--skip-record-metadata"):
            done = java_tools.run(DUMP_LOG, "--cluster-metadata-decoder", option, "--files", str(newest))
            assert done.status == 0
            assert not re.search(r"rror|xception|invalid|mismatch|isvalid: false", done.out + done.err)
            if option == "--print-data-log":
                assert "SnapshotHeader" in done.out
                assert "SnapshotFooter" in done.out
            assert done.out.count('"TOPIC_RECORD"') == len(set(re.findall(r'"name":"topic-\d+"', done.out)))


class TestTrouble:
    def test_a_full_disk_is_told_and_leaves_nothing(self, tmp_path, caplog):
        broker = MetadataBroker(tmp_path, NEVER)
        broker.create("orders")
        work = broker.metadata_log.capture_snapshot(broker.metadata.image.copy(), 30)[1]
        broker.disk.full = True
        with pytest.raises(OSError, match="No space left"):
            work()
        assert names(broker) == []
        assert leftovers_in(str(broker.directory)) == []

    def test_a_snapshot_that_cannot_be_written_is_tried_again_later(self, tmp_path, caplog):
        broker = MetadataBroker(tmp_path, ["metadata.log.max.snapshot.interval.ms=5000"])
        broker.disk.full = True
        broker.clock.advance(5_000)
        broker.metadata.snapshots.look()
        assert "a later one is tried" in caplog.text
        assert names(broker) == []
        broker.disk.full = False
        broker.clock.advance(5_000)
        broker.metadata.snapshots.look()
        assert len(names(broker)) == 1

    def test_unfinished_and_given_up_ones_go_with_the_next_start(self, tmp_path):
        broker = MetadataBroker(tmp_path, NEVER)
        for name in (
            "00000000000000000009-0000000001.checkpoint.part",
            "00000000000000000009-0000000001-123456789.checkpoint.part",
            "00000000000000000004-0000000001.checkpoint.deleted",
        ):
            (broker.directory / name).write_bytes(b"x")
        assert len(leftovers_in(str(broker.directory))) == 3
        broker.restart()
        assert leftovers_in(str(broker.directory)) == []

    def test_a_log_that_ends_before_its_snapshot_goes_on_there(self, tmp_path, caplog):
        broker = MetadataBroker(tmp_path, NEVER)
        grow(broker, 3)
        snapshot, work = broker.metadata_log.capture_snapshot(broker.metadata.image.copy(), 30)
        work()
        lived = broker.metadata.image.topics_by_name
        broker.log.truncate_to(3, now_ms=0)
        broker.crash()
        assert "goes on at its newest snapshot" in caplog.text
        assert broker.log.log_start_offset == snapshot.end_offset
        assert broker.metadata.image.topics_by_name.keys() == lived.keys()
        assert broker.metadata_log.leader_epoch > snapshot.epoch
        broker.create("one-more")
        broker.restart()
        assert "one-more" in broker.metadata.image.topics_by_name

    def test_without_a_snapshot_that_reaches_back_to_the_start_nothing_is_guessed(self, tmp_path):
        broker = MetadataBroker(tmp_path, NEVER)
        grow(broker, 3)
        snapshot, work = broker.metadata_log.capture_snapshot(broker.metadata.image.copy(), 30)
        work()
        broker.log.truncate_fully_and_start_at(snapshot.end_offset + 1, now_ms=0)
        with pytest.raises(UnreadableMetadata, match=r"begins at offset .* restore the newest \.checkpoint"):
            broker.replayed()

    def test_a_broken_one_that_cannot_be_missed_is_not_to_be_removed(self, tmp_path):
        broker = MetadataBroker(tmp_path, NEVER)
        grow(broker, 3)
        snapshot, work = broker.metadata_log.capture_snapshot(broker.metadata.image.copy(), 30)
        work()
        broker.log.advance_log_start_offset(snapshot.end_offset)
        path = broker.directory / snapshot.file_name
        content = bytearray(path.read_bytes())
        content[-20] ^= 1
        path.chmod(0o644)
        path.write_bytes(content)
        broker.log.truncate_fully_and_start_at(snapshot.end_offset, now_ms=0)
        with pytest.raises(UnreadableMetadata, match=f"{path.name}.*restore this file from a copy") as caught:
            broker.replayed()
        assert "or remove it" not in str(caught.value)


class TestRetention:
    @pytest.fixture
    def broker(self, tmp_path):
        """Small segments, so that giving up a snapshot gives up segments too."""
        broker = MetadataBroker(
            tmp_path, [*BY_BYTES, "metadata.max.retention.bytes=7000", "metadata.max.retention.ms=100000"]
        )
        broker.log.update_config(
            LogConfig(segment_bytes=1500, retention_ms=-1, cleanup_policy=frozenset(), file_delete_delay_ms=60_000)
        )
        return broker

    def test_log_and_snapshots_stay_below_their_size(self, broker, caplog):
        caplog.set_level(logging.INFO)
        grow(broker, 60)
        lived = state_of(broker.metadata.image)
        before = broker.log.segment_base_offsets
        broker.metadata.snapshots.look()
        kept = snapshots_in(str(broker.directory))
        assert broker.log.log_start_offset == kept[0].end_offset
        assert broker.log.segment_base_offsets[0] > before[0]
        assert len(broker.log.segment_base_offsets) < len(before)
        assert "gave up snapshot" in caplog.text
        assert "more than metadata.max.retention.bytes" in caplog.text
        _, _, replayed = broker.replayed()
        assert state_of(replayed.image) == lived

    def test_the_newest_snapshot_stays_whatever_its_size(self, broker):
        grow(broker, 100)
        broker.metadata.snapshots.look()
        assert names(broker)[-1:] == names(broker)

    def test_old_ones_go_by_age(self, broker, caplog):
        caplog.set_level(logging.INFO)
        grow(broker, 8)
        assert len(names(broker)) == 2
        broker.clock.advance(100_001)
        broker.metadata.snapshots.look()
        assert len(names(broker)) == 1
        assert "more than metadata.max.retention.ms" in caplog.text

    def test_files_go_a_while_after_they_were_given_up(self, broker):
        grow(broker, 60)
        broker.metadata.snapshots.look()
        assert leftovers_in(str(broker.directory))
        broker.clock.advance(60_000)
        broker.metadata.snapshots.look()
        assert leftovers_in(str(broker.directory)) == []

    def test_a_broker_goes_on_after_all_of_that(self, broker):
        grow(broker, 60)
        broker.metadata.snapshots.look()
        broker.restart()
        broker.crash()
        broker.create("one-more")
        broker.restart()
        assert len(broker.metadata.image.topics_by_name) == 61


def test_a_snapshots_name_has_twenty_and_ten_digits():
    assert SnapshotId(186, 2).file_name == "00000000000000000186-0000000002.checkpoint"
