"""The log cleaner on real log directories, by hand-moved time; its threads are held and let go by hand."""

from __future__ import annotations

import errno
import logging
import os
from dataclasses import replace

import pytest
from ottla.broker.runtime.log_cleaner import LogCleaner
from ottla.broker.runtime.log_directories import LogDirectories
from ottla.broker.runtime.log_duties import LogDuties
from ottla.broker.runtime.partitions import Partitions
from ottla.broker.runtime.timers import Timers
from ottla.storage.checkpoints import read_offsets
from ottla.storage.environment import StorageEnvironment

from ...held_background import HeldBackground
from ..data_broker import batch
from ..metadata_broker import MetadataBroker

BACKOFF_MS = 15_000
COMPACT = {"cleanup_policy": "compact", "file_delete_delay_ms": "0"}
T = ("t", 0)


class CleaningBroker(MetadataBroker):
    """Partitions in a log directory, and a cleaner whose work waits while `threads.hold` is set."""

    def __init__(self, folder, *options):
        super().__init__(folder, options)
        self.folder = folder / "logs"
        self.timers = Timers()
        self.threads = HeldBackground()
        self.directories = LogDirectories.lock(
            [os.fspath(self.folder)],
            StorageEnvironment(files=self.disk),
            node_id=1,
            clock=self.clock,
            new_uuid=self.new_uuid,
        )
        self.directories.begin(1)
        self.partitions = Partitions(self.directories, self.metadata.image, self.config.log_config)
        self.partitions.open_all()
        self.cleaning_services = replace(self.services(), timers=self.timers, partitions=self.partitions)
        self.cleaner = LogCleaner(self.cleaning_services, self.directories, self.threads, self.disk)
        self.metadata.listeners += [self.partitions, self.cleaner]

    def fill(self, topic="t", partition=0, segments=3):
        """Each segment has the same keys again; the last one is active, and nothing is left to be synced."""
        log = self.partitions.get(topic, partition).log
        for number in range(segments):
            for key in (b"a", b"b"):
                records = bytearray(batch(key=key, value=b"%d" % number, start_ms=self.clock.now_ms()))
                self.partitions.get(topic, partition).append(memoryview(records), now_ms=self.clock.now_ms())
            if number < segments - 1:
                log.roll(self.clock.now_ms())
        log.flush()
        return log

    def advance(self, elapsed_ms):
        end_ms = self.clock.monotonic_ms() + elapsed_ms
        while (due_ms := self.timers.next_deadline_ms()) is not None and due_ms <= end_ms:
            self.clock.advance(max(due_ms - self.clock.monotonic_ms(), 0))
            self.timers.run_due(self.clock.monotonic_ms())
        self.clock.advance(end_ms - self.clock.monotonic_ms())

    def written_checkpoints(self):
        return read_offsets(os.fspath(self.folder / "cleaner-offset-checkpoint"))

    def cleaned_files(self, topic="t"):
        return [name for name in os.listdir(self.folder / f"{topic}-0") if name.endswith((".cleaned", ".swap"))]

    def crash(self):
        for log in [partition.log for partition in self.partitions]:
            log.abandon()
        self.directories.unlock()


@pytest.fixture
def new_broker(tmp_path):
    brokers = []

    def start(*options):
        brokers.append(CleaningBroker(tmp_path, *options))
        return brokers[-1]

    yield start
    for broker in brokers:
        broker.cleaner.stop()
        broker.threads.hold = False
        broker.threads.finish_all()
        broker.directories.unlock()


def offsets(log):
    return [header.base_offset for _, header in log.batches(0)]


class TestRounds:
    def test_the_first_look_comes_at_once_and_the_next_after_the_backoff(self, new_broker, caplog):
        caplog.set_level(logging.INFO)
        broker = new_broker()
        broker.create("t", **COMPACT)
        log = broker.fill()
        broker.cleaner.start()
        broker.advance(1)
        assert offsets(log) == [2, 3, 4, 5]
        assert broker.written_checkpoints() == {T: 4}
        assert "t-0: cleaned offsets 0 to 4" in caplog.text
        assert "2 of 4 records and 1 of 2 segments stay" in caplog.text
        broker.fill()
        broker.advance(BACKOFF_MS - 2)
        assert offsets(log)[:2] == [2, 3]
        broker.advance(2)
        assert offsets(log) == [8, 9, 10, 11]
        assert broker.written_checkpoints() == {T: 10}

    def test_what_is_not_dirty_enough_waits(self, new_broker):
        broker = new_broker()
        broker.create("t", **COMPACT, min_cleanable_dirty_ratio="0.9")
        log = broker.fill()
        broker.cleaner.start()
        broker.advance(1)
        before = offsets(log)
        broker.fill(segments=2)
        broker.advance(BACKOFF_MS)
        assert offsets(log)[: len(before)] == before

    def test_other_topics_are_left_alone(self, new_broker):
        broker = new_broker()
        broker.create("t")
        log = broker.fill()
        broker.cleaner.start()
        broker.advance(2 * BACKOFF_MS)
        assert offsets(log) == list(range(6))

    def test_the_dirtiest_come_first_as_many_as_there_are_threads(self, new_broker):
        broker = new_broker("log.cleaner.threads=2")
        for topic in ("one", "two", "three"):
            broker.create(topic, **COMPACT, min_cleanable_dirty_ratio="0.01")
            broker.fill(topic)
        broker.cleaner.start()
        broker.advance(1)
        for topic, segments in (("one", 2), ("two", 6), ("three", 3)):
            broker.fill(topic, segments=segments)
        broker.threads.hold = True
        broker.advance(BACKOFF_MS)
        assert sorted(key.topic for key in broker.cleaner._runs) == ["three", "two"]
        broker.threads.finish_all()
        broker.advance(1)
        assert [key.topic for key in broker.cleaner._runs] == ["one"]

    def test_hundreds_of_logs_take_several_turns_of_the_loop(self, new_broker):
        broker = new_broker()
        broker.create("t", 450, **COMPACT)
        log = broker.fill("t", 449)
        broker.cleaner.start()
        turns = 0
        while len(offsets(log)) == 6:
            broker.clock.advance(1)
            broker.timers.run_due(broker.clock.monotonic_ms())
            turns += 1
            assert turns < 10
        assert turns == 3

    def test_after_a_stop_nothing_runs(self, new_broker):
        broker = new_broker()
        broker.create("t", **COMPACT)
        log = broker.fill()
        broker.cleaner.start()
        broker.cleaner.stop()
        broker.advance(2 * BACKOFF_MS)
        assert offsets(log) == list(range(6))


class TestRetention:
    def test_compact_and_delete_does_both(self, new_broker):
        broker = new_broker()
        broker.create("t", cleanup_policy="compact,delete", retention_ms="60000", min_cleanable_dirty_ratio="0.99")
        log = broker.fill()
        broker.cleaner.start()
        broker.advance(1)
        assert offsets(log) == [2, 3, 4, 5]
        broker.advance(60_000)
        broker.fill(segments=1)
        broker.advance(BACKOFF_MS)
        assert log.log_start_offset == 4

    @pytest.mark.parametrize("policy", ["compact", ""])
    def test_without_delete_only_deleted_records_go(self, new_broker, policy):
        broker = new_broker("log.retention.check.interval.ms=1000")
        limits = {"retention_ms": "1", "retention_bytes": "1", "min_cleanable_dirty_ratio": "1.0"}
        broker.create("t", cleanup_policy=policy, **limits)
        log = broker.fill(segments=4)
        duties = LogDuties(broker.cleaning_services, broker.directories)
        duties.start()
        broker.cleaner.start()
        broker.advance(100_000)
        assert log.log_start_offset == 0
        log.advance_log_start_offset(4)
        broker.advance(BACKOFF_MS)
        assert log.segment_base_offsets[0] == 4
        duties.stop()

    def test_it_waits_while_its_log_is_being_cleaned(self, new_broker):
        broker = new_broker()
        broker.create("t", **COMPACT)
        log = broker.fill()
        broker.threads.hold = True
        broker.cleaner.start()
        broker.advance(1)
        log.advance_log_start_offset(2)
        broker.advance(2 * BACKOFF_MS)
        assert log.segment_base_offsets[0] == 0
        broker.threads.finish_all()
        broker.advance(1)
        assert broker.written_checkpoints() == {T: 4}


class TestCheckpoints:
    def test_a_restart_goes_on_where_it_was(self, new_broker):
        broker = new_broker()
        broker.create("t", **COMPACT)
        broker.fill()
        broker.cleaner.start()
        broker.advance(1)
        broker.cleaner.stop()
        assert broker.cleaner.checkpoints.get(os.fspath(broker.folder), T) == 4
        again = LogCleaner(broker.cleaning_services, broker.directories, broker.threads, broker.disk)
        again.start()
        assert again.checkpoints.get(os.fspath(broker.folder), T) == 4
        again.stop()

    def test_entries_of_deleted_topics_go(self, new_broker):
        broker = new_broker()
        for topic in ("t", "other"):
            broker.create(topic, **COMPACT)
            broker.fill(topic)
        broker.cleaner.start()
        broker.advance(1)
        assert set(broker.written_checkpoints()) == {T, ("other", 0)}
        broker.metadata.delete_topic(broker.metadata.image.topics_by_name["t"])
        assert set(broker.written_checkpoints()) == {("other", 0)}
        broker.create("t", **COMPACT)
        log = broker.fill("t", segments=2)
        broker.advance(BACKOFF_MS)
        assert broker.written_checkpoints()[T] == 2
        assert offsets(log) == [0, 1, 2, 3]

    def test_entries_of_unknown_topics_are_not_read(self, new_broker):
        broker = new_broker()
        broker.create("t", **COMPACT)
        (broker.folder / "cleaner-offset-checkpoint").write_text("0\n2\ngone 0 17\nt 0 0\n")
        broker.fill()
        broker.cleaner.start()
        broker.advance(1)
        assert broker.written_checkpoints() == {T: 4}

    def test_a_broken_file_is_as_good_as_none(self, new_broker, caplog):
        broker = new_broker()
        broker.create("t", **COMPACT)
        (broker.folder / "cleaner-offset-checkpoint").write_text("0\n9\n")
        broker.fill()
        broker.cleaner.start()
        broker.advance(1)
        assert "announces 9 entries" in caplog.text
        assert broker.written_checkpoints() == {T: 4}

    @pytest.mark.parametrize("policy", ["compact", "compact,delete"])
    def test_one_that_lies_outside_of_its_log_is_corrected(self, new_broker, caplog, policy):
        broker = new_broker()
        broker.create("t", cleanup_policy=policy)
        (broker.folder / "cleaner-offset-checkpoint").write_text("0\n1\nt 0 17\n")
        broker.fill()
        broker.threads.hold = True
        broker.cleaner.start()
        broker.advance(1)
        assert broker.cleaner.checkpoints.get(os.fspath(broker.folder), T) == 0
        assert ("clean up to 17" in caplog.text) == (policy == "compact")

    def test_what_is_set_while_the_file_is_written_goes_into_the_next_write(self, new_broker):
        broker = new_broker()
        checkpoints, home = broker.cleaner.checkpoints, os.fspath(broker.folder)
        broker.threads.hold = True
        for number in range(3):
            checkpoints.set(home, T, number)
        assert len(broker.threads.waiting) == 1
        broker.threads.finish_one()
        assert broker.written_checkpoints() == {T: 0}
        broker.threads.finish_all()
        assert broker.written_checkpoints() == {T: 2}

    def test_a_full_disk_is_told_and_the_next_write_tried(self, new_broker, caplog):
        broker = new_broker()
        checkpoints, home = broker.cleaner.checkpoints, os.fspath(broker.folder)
        broker.disk.full = True
        checkpoints.set(home, T, 1)
        assert "No space left on device" in caplog.text
        broker.disk.full = False
        checkpoints.set(home, T, 2)
        assert broker.written_checkpoints() == {T: 2}


class TestTrouble:
    def damage(self, broker, topic):
        path = broker.folder / f"{topic}-0" / f"{0:020d}.log"
        content = bytearray(path.read_bytes())
        content[16] = 7
        path.write_bytes(content)

    def test_a_log_that_cannot_be_cleaned_is_left_alone_and_the_others_go_on(self, new_broker, caplog):
        broker = new_broker()
        for topic in ("bad", "good"):
            broker.create(topic, **COMPACT)
            broker.fill(topic)
        self.damage(broker, "bad")
        broker.cleaner.start()
        broker.advance(3 * BACKOFF_MS)
        assert broker.written_checkpoints() == {("good", 0): 4}
        assert broker.cleaner.uncleanable == {("bad", 0)}
        lines = [record.message for record in caplog.records if "cannot be compacted" in record.message]
        assert len(lines) == 1
        assert lines[0].startswith("bad-0 cannot be compacted, and is left as it is until the broker starts again: ")
        assert broker.partitions.get("bad", 0).offline_reason is None
        assert not broker.cleaned_files("bad")

    def test_a_topic_that_takes_its_name_is_cleaned_again(self, new_broker):
        broker = new_broker()
        broker.create("t", **COMPACT)
        broker.fill()
        self.damage(broker, "t")
        broker.cleaner.start()
        broker.advance(1)
        broker.metadata.delete_topic(broker.metadata.image.topics_by_name["t"])
        assert broker.cleaner.uncleanable == set()

    def test_a_full_disk_is_told_once_and_tried_again(self, new_broker, caplog):
        broker = new_broker()
        broker.create("t", **COMPACT)
        log = broker.fill()
        broker.disk.full = True
        broker.cleaner.start()
        broker.advance(3 * BACKOFF_MS)
        assert caplog.text.count("t-0 is not compacted while there is no room for it: ") == 1
        assert "No space left on device" in caplog.text
        assert broker.cleaner.uncleanable == set()
        assert not broker.cleaned_files()
        assert offsets(log) == list(range(6))
        broker.disk.full = False
        broker.advance(BACKOFF_MS)
        assert offsets(log) == [2, 3, 4, 5]

    def test_a_swap_that_fails_takes_the_partition_off_line(self, new_broker, monkeypatch):
        broker = new_broker()
        broker.create("t", **COMPACT)
        broker.fill()
        broker.threads.hold = True
        broker.cleaner.start()
        broker.advance(1)

        def refuse(source, target):
            raise OSError(errno.EIO, "Input/output error", source)

        monkeypatch.setattr(type(broker.disk), "rename", staticmethod(refuse))
        broker.threads.finish_all()
        assert "Input/output error" in broker.partitions.get("t", 0).offline_reason
        assert not broker.cleaner._runs

    def test_a_mistake_of_the_broker_shows_its_traceback(self, new_broker, monkeypatch, caplog):
        broker = new_broker()
        broker.create("t", **COMPACT)
        broker.fill()
        monkeypatch.setattr("ottla.storage.compaction.group_segments", lambda *_: 1 / 0)
        broker.cleaner.start()
        broker.advance(1)
        assert broker.cleaner.uncleanable == {T}
        assert any(record.exc_info for record in caplog.records)


class TestChangesMeanwhile:
    @pytest.fixture
    def broker(self, new_broker):
        """One cleaning is under way, and its first segment is written but not in place."""
        broker = new_broker()
        broker.create("t", **COMPACT)
        broker.fill()
        broker.threads.hold = True
        broker.cleaner.start()
        broker.advance(1)
        assert list(broker.cleaner._runs) == [T]
        return broker

    def test_the_topic_is_deleted(self, broker, caplog):
        broker.metadata.delete_topic(broker.metadata.image.topics_by_name["t"])
        broker.threads.finish_all()
        assert not broker.cleaner._runs
        assert "cannot be compacted" not in caplog.text

    def test_the_topic_is_deleted_and_there_again(self, broker):
        broker.metadata.delete_topic(broker.metadata.image.topics_by_name["t"])
        broker.create("t", **COMPACT)
        log = broker.fill()
        broker.threads.finish_all()
        assert offsets(log) == list(range(6))
        broker.advance(BACKOFF_MS)
        broker.threads.finish_all()
        assert offsets(log) == [2, 3, 4, 5]

    def test_the_topic_is_not_compacted_any_more(self, broker):
        partition = broker.partitions.get("t", 0)
        partition.log.update_config(replace(partition.log.config, cleanup_policy=frozenset({"delete"})))
        broker.threads.finish_all()
        assert offsets(partition.log) == list(range(6))
        assert not broker.cleaned_files()
        assert not broker.cleaner._runs

    def test_the_partition_goes_off_line(self, broker):
        broker.partitions.get("t", 0).take_offline("its disk is gone")
        broker.threads.finish_all()
        assert not broker.cleaned_files()
        assert not broker.cleaner._runs

    def test_the_log_is_truncated(self, broker, caplog):
        log = broker.partitions.get("t", 0).log
        log.truncate_to(3, broker.clock.now_ms())
        broker.threads.finish_all()
        assert offsets(log) == [0, 1, 2]
        assert not broker.cleaned_files()
        assert broker.cleaner.uncleanable == set()
        assert "cannot be compacted" not in caplog.text

    def test_the_broker_stops(self, broker):
        broker.cleaner.stop()
        broker.threads.finish_all()
        assert not broker.cleaned_files()
        assert broker.timers.next_deadline_ms() is None
