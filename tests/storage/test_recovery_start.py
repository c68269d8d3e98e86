"""After a crash a segment is read from a place that is proven, or whole: in the end the log is the same."""

from __future__ import annotations

import pytest
from ottla.storage.append import AppendOrigin
from ottla.storage.recovery import OpenedFrom
from ottla.storage.recovery_start import TrustedStart, trusted_start

from ..harness.markers import end_txn_batch
from .log_home import NOW_MS, append, append_raw, values_of

BEFORE, AFTER = 20, 6
PRODUCER = {"producer_id": 5, "producer_epoch": 0}


def fill(log, first: int, count: int) -> None:
    for offset in range(first, first + count):
        # The largest timestamp is in the middle of what is not read again.
        timestamp = NOW_MS + (500 if offset == 7 else offset)
        append(log, b"value-%02d" % offset, timestamps=timestamp, base_sequence=offset, **PRODUCER)


@pytest.fixture
def place(home):
    return home(index_interval_bytes=150)


@pytest.fixture
def log(place):
    """Stopped cleanly at offset 20, begun again, written up to 26, not stopped: the recovery point is 20."""
    log = place.open()
    fill(log, 0, BEFORE)
    log = place.reopen_after_close(log)
    fill(log, BEFORE, AFTER)
    log.abandon()
    return log


def opened(place, recovery_point=BEFORE):
    return place.open(OpenedFrom(0, recovery_point))


def damage_start(place) -> None:
    """Break the first batch: whoever reads it ends the log there."""
    path = place.path(0, ".log")
    content = bytearray(path.read_bytes())
    content[70] ^= 1
    path.write_bytes(content)


def state_of(log) -> tuple:
    segment = log.active
    return (
        log.log_end_offset,
        values_of(log),
        segment.offset_index.entries(),
        segment.time_index.entries(),
        (segment.max_timestamp, segment.offset_of_max_timestamp()),
        log.leader_epochs.entries(),
        [(e.producer_id, e.last_sequence, e.last_timestamp) for e in log.producers.entries.values()],
    )


def append_and_roll(log) -> tuple:
    """What comes of the same appends, where the next index entries depend on what was read."""
    fill(log, log.log_end_offset, 5)
    return log.active.offset_index.entries(), log.active.time_index.entries()


class TestWhatIsBelowIsNotRead:
    def test_a_broken_batch_far_below_the_recovery_point_is_not_looked_at(self, place, log):
        damage_start(place)
        assert opened(place).log_end_offset == BEFORE + AFTER

    def test_where_reading_begins(self, place, log):
        log = opened(place)
        start = trusted_start(log.active, BEFORE, log.snapshots, log.leader_epochs)
        assert start is not None
        assert BEFORE - 4 < start.offset <= BEFORE
        assert start == TrustedStart(start.offset, log.active.position_of(start.offset), BEFORE)

    @pytest.mark.parametrize("recovery_point", [20, 23, 26, 90])
    def test_the_log_is_the_same_as_one_that_was_read_whole(self, place, log, recovery_point):
        partly = opened(place, recovery_point)
        found = state_of(partly), append_and_roll(partly)
        partly.truncate_to(BEFORE + AFTER, NOW_MS)
        partly.abandon()
        for suffix in (".snapshot", ".index", ".timeindex"):
            for name in place.names(suffix):
                (place.directory / name).unlink()
        whole = opened(place, 0)
        assert (state_of(whole), append_and_roll(whole)) == found

    def test_a_tail_torn_at_any_byte_is_cut(self, place, log):
        path = place.path(0, ".log")
        content = path.read_bytes()
        length = len(content) // (BEFORE + AFTER)
        for end in range(len(content) - 2 * length, len(content), 7):
            path.write_bytes(content[:end])
            torn = opened(place)
            assert torn.log_end_offset == end // length
            assert set(values_of(torn)) == set(range(end // length))
            torn.abandon()


class TestWhatCannotBeProvenIsRead:
    @pytest.fixture(autouse=True)
    def broken(self, place, log):
        """A log that ends at its first batch when it is read whole."""
        damage_start(place)

    def is_read_whole(self, place, recovery_point=BEFORE) -> bool:
        return opened(place, recovery_point).log_end_offset == 0

    def test_below_the_snapshot(self, place):
        assert self.is_read_whole(place, BEFORE - 1)

    @pytest.mark.parametrize("suffix", [".snapshot", ".index", ".timeindex"])
    @pytest.mark.parametrize("damage", ["lost", "emptied", "rubbish"])
    def test_without_a_file_that_can_be_believed(self, place, suffix, damage):
        for name in place.names(suffix):
            path = place.directory / name
            if damage == "lost":
                path.unlink()
            else:
                path.write_bytes(b"" if damage == "emptied" else b"\xff" * path.stat().st_size)
        assert self.is_read_whole(place)

    def test_when_the_epochs_do_not_know_the_batch(self, place):
        (place.directory / "leader-epoch-checkpoint").unlink()
        assert self.is_read_whole(place)

    def test_when_the_batch_at_the_index_entry_is_broken(self, place, log):
        path = place.path(0, ".log")
        length = len(path.read_bytes()) // (BEFORE + AFTER)
        content = bytearray(path.read_bytes())
        for number in range(1, BEFORE):
            content[number * length + 70] ^= 1
        path.write_bytes(content)
        assert self.is_read_whole(place)


def test_a_segment_with_transactions_is_read_whole(place):
    log = place.open()
    fill(log, 0, 10)
    append(log, b"v", is_transactional=True, producer_id=8, producer_epoch=0, base_sequence=0)
    marker = end_txn_batch(
        commit=False, base_offset=0, producer_id=8, producer_epoch=0, coordinator_epoch=0, timestamp_ms=NOW_MS
    )
    append_raw(log, marker, origin=AppendOrigin.COORDINATOR)
    fill(log, 12, 0)
    for number in range(8):
        append(log, b"more", base_sequence=10 + number, **PRODUCER)
    end = log.log_end_offset
    aborted = log.aborted_transactions(0, end)
    log.close()
    place.path(0, ".txnindex").unlink()  # as a loss of power may leave it
    log = opened(place, end)
    assert log.aborted_transactions(0, end) == aborted != []
