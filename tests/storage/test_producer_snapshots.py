"""Producer snapshots: Kafka's layout, which files stay, and what happens to broken ones."""

from __future__ import annotations

import struct

import pytest
from crc32c import crc32c
from hypothesis import given
from hypothesis import strategies as st
from ottla.storage.checkpoints import CorruptFile
from ottla.storage.files import OS_FILES
from ottla.storage.producer_snapshots import ProducerSnapshots, encode_snapshot, read_snapshot, snapshot_path
from ottla.storage.producer_state import BatchMetadata, ProducerEntry, ProducerState

DAY_MS = 86_400_000

LAST = BatchMetadata(last_sequence=9, last_offset=40, offset_delta=2, timestamp=1000)
ENTRY = ProducerEntry(7, 3, coordinator_epoch=2, last_timestamp=1000, txn_first_offset=30, batches=[LAST])


def as_tuple(entry: ProducerEntry):
    return (
        entry.producer_id,
        entry.epoch,
        entry.coordinator_epoch,
        entry.last_timestamp,
        entry.txn_first_offset,
        entry.batches,
    )


longs = st.integers(0, 2**63 - 1)
written_entries = st.builds(
    lambda producer_id, epoch, coordinator, timestamp, txn, sequence, offset, delta: ProducerEntry(
        producer_id, epoch, coordinator, timestamp, txn, [BatchMetadata(sequence, offset, delta, timestamp)]
    ),
    longs,
    st.integers(0, 2**15 - 1),
    st.integers(-1, 2**31 - 1),
    longs,
    st.integers(-1, 2**63 - 1),
    st.integers(0, 2**31 - 1),
    longs,
    st.integers(0, 2**31 - 1),
)


class TestFile:
    def test_the_layout_is_kafkas(self):
        body = struct.pack(">i", 1) + struct.pack(">qhiqiqiq", 7, 3, 9, 40, 2, 1000, 2, 30)
        assert encode_snapshot([ENTRY]) == struct.pack(">hI", 1, crc32c(body)) + body

    def test_the_name_is_the_offset(self):
        assert snapshot_path("/d", 42) == "/d/00000000000000000042.snapshot"

    @given(st.lists(written_entries, max_size=4))
    def test_it_is_read_as_it_was_written(self, tmp_path_factory, entries):
        path = tmp_path_factory.getbasetemp() / "a.snapshot"
        path.write_bytes(encode_snapshot(entries))
        assert [as_tuple(entry) for entry in read_snapshot(str(path))] == [as_tuple(entry) for entry in entries]

    def test_of_many_batches_only_the_last_is_kept(self, tmp_path):
        path = tmp_path / "a.snapshot"
        batches = [BatchMetadata(sequence, sequence, 0, 5) for sequence in range(5)]
        path.write_bytes(encode_snapshot([ProducerEntry(1, 0, batches=batches)]))
        assert read_snapshot(str(path))[0].batches == [batches[-1]._replace(timestamp=-1)]

    def test_a_producer_that_only_a_marker_named_has_no_batch(self, tmp_path):
        path = tmp_path / "a.snapshot"
        path.write_bytes(encode_snapshot([ProducerEntry(1, 4, 2, 99)]))
        (entry,) = read_snapshot(str(path))
        assert as_tuple(entry) == (1, 4, 2, 99, -1, [])

    def test_every_cut_and_every_flipped_bit_is_noticed(self, tmp_path):
        path = tmp_path / "a.snapshot"
        whole = encode_snapshot([ENTRY, ENTRY])
        broken = [whole[:size] for size in range(len(whole))]
        broken += [whole[:i] + bytes([whole[i] ^ 1]) + whole[i + 1 :] for i in range(len(whole))]
        for content in broken:
            path.write_bytes(content)
            with pytest.raises(CorruptFile, match=r"a\.snapshot"):
                read_snapshot(str(path))

    @pytest.mark.parametrize("count", [-1, 0, 2, 2**31 - 1])
    def test_a_count_that_lies_is_refused(self, tmp_path, count):
        body = struct.pack(">i", count) + encode_snapshot([ENTRY])[10:]
        path = tmp_path / "a.snapshot"
        path.write_bytes(struct.pack(">hI", 1, crc32c(body)) + body)
        with pytest.raises(CorruptFile, match=f"announces {count} producers"):
            read_snapshot(str(path))


@pytest.fixture
def folder(tmp_path):
    """Snapshots at 10, 20 and 30, each with producer 7 at that sequence."""
    snapshots = ProducerSnapshots(str(tmp_path), OS_FILES)
    for offset in (10, 20, 30):
        snapshots.take(state_at(offset))
    return snapshots


def state_at(offset: int) -> ProducerState:
    state = ProducerState("t-0", offset)
    batch = BatchMetadata(last_sequence=offset, last_offset=offset - 1, offset_delta=0, timestamp=1000)
    state.entries[7] = ProducerEntry(7, 0, last_timestamp=1000, batches=[batch])
    return state


def names(tmp_path) -> list[int]:
    return sorted(int(path.name[:20]) for path in tmp_path.iterdir())


class TestFolder:
    def test_a_log_that_has_not_grown_needs_no_new_one(self, folder, tmp_path):
        path = tmp_path / f"{30:020d}.snapshot"
        path.unlink()
        folder.take(state_at(30))
        folder.take(state_at(25))
        assert names(tmp_path) == [10, 20]
        folder.take(state_at(31))
        assert names(tmp_path) == [10, 20, 31]

    def test_the_latest_is_loaded(self, folder):
        state = ProducerState("t-0")
        assert folder.load_latest(state, 0, 1000, DAY_MS) is None
        assert (state.map_end_offset, state.entries[7].last_sequence) == (30, 30)

    def test_broken_ones_are_removed_and_named_and_the_next_is_taken(self, folder, tmp_path):
        (tmp_path / f"{30:020d}.snapshot").write_bytes(b"rubbish")
        (tmp_path / f"{20:020d}.snapshot").unlink()
        state = ProducerState("t-0")
        problem = folder.load_latest(state, 0, 1000, DAY_MS)
        assert f"{30:020d}.snapshot" in problem
        assert f"{20:020d}.snapshot" in problem
        assert (state.map_end_offset, names(tmp_path), folder.offsets) == (10, [10], [10])

    def test_without_any_the_state_is_empty_at_the_start_of_the_log(self, tmp_path):
        state = state_at(99)
        assert ProducerSnapshots(str(tmp_path), OS_FILES).load_latest(state, 17, 1000, DAY_MS) is None
        assert (state.map_end_offset, state.entries) == (17, {})

    def test_silent_producers_are_not_loaded(self, folder):
        state = ProducerState("t-0")
        folder.load_latest(state, 0, 1000 + DAY_MS, DAY_MS)
        assert (state.map_end_offset, state.entries) == (30, {})

    @pytest.mark.parametrize(
        ("start", "end", "kept"), [(0, 30, [10, 20, 30]), (10, 29, [20]), (9, 20, [10, 20]), (30, 99, [])]
    )
    def test_what_the_log_does_not_hold_goes(self, folder, tmp_path, start, end, kept):
        folder.remove_outside(start, end)
        assert names(tmp_path) == folder.offsets == kept

    @pytest.mark.parametrize(
        ("bases", "kept"),
        [([0, 10, 20], [10, 20, 30]), ([0, 20], [20, 30]), ([0], [30]), ([0, 30, 40], [30]), ([0, 40], [])],
    )
    def test_only_those_of_segments_and_the_end_stay(self, folder, tmp_path, bases, kept):
        folder.remove_strays(bases)
        assert names(tmp_path) == folder.offsets == kept

    def test_releasing_leaves_the_file_to_the_caller(self, folder, tmp_path):
        assert folder.release(20) == str(tmp_path / f"{20:020d}.snapshot")
        assert folder.release(20) is None
        assert folder.offsets == [10, 30]
        assert names(tmp_path) == [10, 20, 30]
