"""Leader epochs: the answers of OffsetForLeaderEpoch (KIP-101, KIP-279), truncation at both ends, the file."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ottla.storage.checkpoints import CorruptFile
from ottla.storage.files import OS_FILES
from ottla.storage.leader_epochs import LeaderEpochs

LOG_END = 50


@pytest.fixture
def path(tmp_path):
    return tmp_path / "leader-epoch-checkpoint"


@pytest.fixture
def epochs(path):
    epochs = LeaderEpochs(str(path), OS_FILES)
    for epoch, start_offset in ((2, 10), (3, 20), (7, 40)):
        epochs.assign(epoch, start_offset)
    return epochs


class TestAssign:
    def test_each_change_is_in_the_file(self, epochs, path):
        assert path.read_text() == "0\n3\n2 10\n3 20\n7 40\n"
        assert LeaderEpochs.load(str(path), OS_FILES).entries() == epochs.entries() == [(2, 10), (3, 20), (7, 40)]
        assert epochs.latest_epoch == 7

    @pytest.mark.parametrize(("epoch", "start"), [(7, 45), (6, 45), (-1, 45), (8, -1)])
    def test_what_is_not_newer_changes_nothing(self, epochs, epoch, start):
        epochs.assign(epoch, start)
        assert epochs.entries() == [(2, 10), (3, 20), (7, 40)]

    def test_an_epoch_that_wrote_nothing_goes(self, epochs):
        epochs.assign(8, 40)
        assert epochs.entries() == [(2, 10), (3, 20), (8, 40)]


class TestAnnounce:
    def test_an_epoch_without_records_is_known_but_not_in_the_file(self, epochs, path):
        epochs.announce(9, 50)
        assert epochs.entries()[-1] == (9, 50)
        assert (epochs.latest_epoch, epochs.saved_epoch) == (9, 7)
        assert "9 50" not in path.read_text()

    def test_it_reaches_the_file_with_its_first_records(self, epochs, path):
        epochs.announce(9, 50)
        epochs.assign(9, 50)
        assert path.read_text() == "0\n4\n2 10\n3 20\n7 40\n9 50\n"
        assert epochs.saved_epoch == 9

    def test_one_that_never_wrote_leaves_no_trace(self, epochs, path):
        epochs.announce(9, 50)
        epochs.announce(10, 50)
        epochs.assign(10, 50)
        assert LeaderEpochs.load(str(path), OS_FILES).entries() == [(2, 10), (3, 20), (7, 40), (10, 50)]

    def test_what_a_truncation_leaves_is_in_the_file(self, epochs, path):
        epochs.announce(9, 50)
        epochs.truncate_from_end(45)
        assert (epochs.latest_epoch, epochs.saved_epoch) == (7, 7)
        assert LeaderEpochs.load(str(path), OS_FILES).entries() == epochs.entries()


class TestQuestions:
    @pytest.mark.parametrize(("offset", "epoch"), [(9, -1), (10, 2), (19, 2), (20, 3), (39, 3), (40, 7), (1000, 7)])
    def test_the_epoch_of_an_offset(self, epochs, offset, epoch):
        assert epochs.epoch_for_offset(offset) == epoch

    @pytest.mark.parametrize(
        ("epoch", "answer"),
        [
            (-1, (-1, -1)),
            (8, (-1, -1)),  # not known yet
            (7, (7, LOG_END)),  # the latest: it ends where the log does
            (3, (3, 40)),
            (5, (3, 40)),  # not there: the largest below it (KIP-279)
            (2, (2, 20)),
            (0, (0, 10)),  # older than all that is known: itself, and where the known begins
        ],
    )
    def test_the_end_of_an_epoch(self, epochs, epoch, answer):
        assert epochs.end_offset_for(epoch, LOG_END) == answer

    def test_without_history_nothing_is_known(self, path):
        epochs = LeaderEpochs.load(str(path), OS_FILES)
        assert epochs.latest_epoch == -1
        assert epochs.epoch_for_offset(5) == -1
        assert epochs.end_offset_for(0, LOG_END) == (-1, -1)


class TestTruncation:
    @pytest.mark.parametrize(
        ("end", "kept"),
        [(41, [(2, 10), (3, 20), (7, 40)]), (40, [(2, 10), (3, 20)]), (11, [(2, 10)]), (10, []), (0, [])],
    )
    def test_from_the_end(self, epochs, path, end, kept):
        epochs.truncate_from_end(end)
        assert epochs.entries() == LeaderEpochs.load(str(path), OS_FILES).entries() == kept
        assert epochs.latest_epoch == (kept[-1][0] if kept else -1)

    @pytest.mark.parametrize(
        ("start", "kept"),
        [
            (5, [(2, 10), (3, 20), (7, 40)]),
            (10, [(2, 10), (3, 20), (7, 40)]),
            (15, [(2, 15), (3, 20), (7, 40)]),
            (20, [(3, 20), (7, 40)]),
            (39, [(3, 39), (7, 40)]),
            (60, [(7, 60)]),
        ],
    )
    def test_from_the_start(self, epochs, path, start, kept):
        before = path.read_text()
        epochs.truncate_from_start(start)
        assert epochs.entries() == kept
        assert epochs.latest_epoch == 7
        # The file follows with the next epoch; whoever reads it before that cuts it off at the same place.
        assert path.read_text() == before
        again = LeaderEpochs.load(str(path), OS_FILES)
        again.truncate_from_start(start)
        assert again.entries() == kept
        epochs.assign(8, 70)
        assert LeaderEpochs.load(str(path), OS_FILES).entries() == [*kept, (8, 70)]

    def test_of_everything(self, epochs, path):
        epochs.clear()
        assert epochs.entries() == LeaderEpochs.load(str(path), OS_FILES).entries() == []


@pytest.mark.parametrize("content", ["0\n2\n5 10\n4 20\n", "0\n2\n5 10\n6 9\n", "0\n1\n5\n", "0\n2\n1 1\n"])
def test_a_file_that_contradicts_itself_is_refused(path, content):
    path.write_text(content)
    with pytest.raises(CorruptFile, match="leader-epoch-checkpoint"):
        LeaderEpochs.load(str(path), OS_FILES)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 100)), max_size=20), st.integers(0, 30))
def test_epochs_and_offsets_always_ascend_and_ends_meet_starts(tmp_path_factory, calls, asked):
    path = tmp_path_factory.getbasetemp() / "epochs"
    path.unlink(missing_ok=True)
    epochs = LeaderEpochs(str(path), OS_FILES)
    log_end = 0
    for epoch, step in calls:
        log_end += step % 3
        epochs.assign(epoch, log_end)
    entries = epochs.entries()
    assert all(a.epoch < b.epoch and a.start_offset < b.start_offset for a, b in itertools.pairwise(entries))
    found, end = epochs.end_offset_for(asked, log_end)
    if end >= 0 and asked >= entries[0].epoch:
        assert found <= asked
        assert all(epochs.epoch_for_offset(offset) > asked for offset in range(end, log_end + 1) if offset < log_end)
