"""What a partition asks before a transactional producer's first batch, and what it asks of a marker (KIP-890)."""

from __future__ import annotations

import pytest
from ottla.protocol.errors import ErrorCode
from ottla.protocol.record_batch import BatchHeader
from ottla.storage.append import AppendError, AppendOrigin
from ottla.storage.producer_state import EndTxnMarker, ProducerState

PRODUCER = 5
NOW = 1_000_000


def header(sequence: int, *, epoch: int = 0, control: bool = False) -> BatchHeader:
    return BatchHeader(0, 100, 0, 2, 0, 0x10 | (0x20 if control else 0), 0, NOW, NOW, PRODUCER, epoch, sequence, 1)


class Partition:
    """Producer state with a log end offset."""

    def __init__(self) -> None:
        self.state = ProducerState("t-0")
        self.end = 0

    def verify(self, sequence: int, *, epoch: int = 0, v2: bool = True, now_ms: int = NOW) -> bool:
        return self.state.start_verification(header(sequence, epoch=epoch), supports_epoch_bump=v2, now_ms=now_ms)

    def send(self, sequence: int, *, epoch: int = 0) -> None:
        batch = header(sequence, epoch=epoch)
        assert self.state.check(batch, self.end, AppendOrigin.CLIENT) is None
        self.state.record(batch, self.end)
        self.end += 1

    def mark(self, epoch: int, transaction_version: int) -> None:
        self.state.check_marker_epoch(PRODUCER, epoch, self.end, transaction_version)
        marker, batch = EndTxnMarker(False, 0), header(-1, epoch=epoch, control=True)
        self.state.check(batch, self.end, AppendOrigin.COORDINATOR, marker)
        self.state.record(batch, self.end, marker)
        self.end += 1


@pytest.fixture
def partition() -> Partition:
    return Partition()


def refusal(call, *args, **options) -> tuple[ErrorCode, str]:
    with pytest.raises(AppendError) as error:
        call(*args, **options)
    return error.value.code, error.value.message


def test_the_first_batch_of_a_transaction_needs_asking_and_the_next_does_not(partition):
    assert partition.verify(0)
    partition.send(0)
    assert not partition.verify(1)


def test_a_finished_transaction_needs_asking_again(partition):
    partition.verify(0)
    partition.send(0)
    partition.mark(1, 2)
    assert partition.verify(0, epoch=1)


def test_a_passed_epoch_is_not_even_asked_for(partition):
    partition.verify(0, epoch=3)
    partition.send(0, epoch=3)
    assert refusal(partition.verify, 0, epoch=2) == (
        ErrorCode.INVALID_PRODUCER_EPOCH,
        "Epoch of producer 5 is 2, which is smaller than the last seen epoch 3",
    )


def test_a_later_batch_does_not_overtake_the_first_that_was_turned_away(partition):
    partition.verify(0, v2=False)
    partition.verify(1, v2=False)
    code, message = refusal(partition.send, 1)
    assert code is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert message.endswith("1 (incoming seq. number), 0 (earliest seen sequence)")
    partition.send(0)
    partition.send(1)


def test_a_newer_epoch_forgets_what_an_older_one_had_sent(partition):
    partition.verify(0, v2=False)
    partition.verify(4, epoch=1, v2=False)
    partition.send(4, epoch=1)


def test_an_older_batch_asked_for_later_lowers_the_bar(partition):
    partition.verify(5, v2=False)
    partition.verify(3, v2=False)
    assert refusal(partition.send, 5)[0] is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    partition.send(3)


def test_version_2_begins_at_sequence_0_where_nothing_is_known(partition):
    partition.verify(7)
    code, message = refusal(partition.send, 7)
    assert code is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert "Expected sequence 0 for transactions v2" in message


def test_version_1_may_begin_anywhere_where_nothing_is_known(partition):
    partition.verify(7, v2=False)
    partition.send(7)


def test_version_2_goes_on_where_batches_are_known(partition):
    partition.verify(0)
    partition.send(0)
    partition.mark(0, 0)
    assert partition.verify(1)
    partition.send(1)


def test_what_was_asked_is_forgotten_with_time(partition):
    partition.verify(7)
    partition.state.expire(NOW + 999, 1000)
    assert refusal(partition.send, 7)[0] is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    partition.state.expire(NOW + 1000, 1000)
    partition.send(7)


@pytest.mark.parametrize("transaction_version", [0, 1])
def test_an_old_marker_may_keep_the_epoch(partition, transaction_version):
    partition.send(0, epoch=4)
    partition.mark(4, transaction_version)
    assert not partition.state.has_ongoing_txn(PRODUCER, 4)


def test_a_version_2_marker_raises_the_epoch(partition):
    partition.send(0, epoch=4)
    code, message = refusal(partition.mark, 4, 2)
    assert code is ErrorCode.INVALID_PRODUCER_EPOCH
    assert message.endswith("is 4, which is <= the last seen epoch 4 (TV2)")
    partition.mark(5, 2)


def test_a_version_2_marker_of_a_passed_epoch_is_refused(partition):
    partition.send(0, epoch=4)
    partition.mark(5, 2)
    assert refusal(partition.mark, 4, 2)[0] is ErrorCode.INVALID_PRODUCER_EPOCH


def test_a_version_2_marker_may_be_written_twice(partition):
    partition.send(0, epoch=4)
    partition.mark(5, 2)
    partition.mark(5, 2)


def test_the_highest_epoch_may_be_marked_although_it_cannot_be_raised(partition):
    partition.send(0, epoch=32_767)
    partition.mark(32_767, 2)
    assert not partition.state.has_ongoing_txn(PRODUCER, 32_767)


def test_a_marker_for_an_unknown_producer_is_taken(partition):
    partition.mark(0, 2)
