"""What a request for a transaction comes to: an answer, and the records that must be written before it is true.

A `Transaction` is one transactional id while the broker runs: what is on record, and the state that it is on its way
to. While there is such a state nothing else is decided on it (CONCURRENT_TRANSACTIONS), as in Kafka.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from ...protocol.errors import ErrorCode
from .transaction_metadata import NO_PRODUCER_EPOCH, NO_PRODUCER_ID
from .transaction_records import TransactionRecord

if TYPE_CHECKING:
    from .transaction_metadata import TopicPartition, TransactionMetadata
    from .transaction_state import TransactionState

# What a NamedTuple's own constructor ends in.
_new_tuple = tuple.__new__


class Answer(NamedTuple):
    """What the client is told. An error comes without producer id and epoch."""

    code: ErrorCode = ErrorCode.NONE
    producer_id: int = NO_PRODUCER_ID
    producer_epoch: int = NO_PRODUCER_EPOCH


class Decision(NamedTuple):
    """The answer, which holds once the records are written and replayed; without records it holds now."""

    answer: Answer
    records: tuple[TransactionRecord, ...] = ()


DONE: Final = Answer()
"""What a client is told whose request is done, and that is not told of a new epoch."""


def written(metadata: TransactionMetadata, answer: Answer = DONE) -> Decision:
    """The record that keeps this is written, and the client is told."""
    record = _new_tuple(TransactionRecord, (metadata.transactional_id, metadata))
    return _new_tuple(Decision, (answer, (record,)))


def refused(code: ErrorCode) -> Decision:
    """Nothing changes; the client is told why."""
    return Decision(Answer(code))


class Transaction:
    """One transactional id."""

    __slots__ = ("markers_left", "metadata", "pending_state")

    def __init__(self, metadata: TransactionMetadata) -> None:
        self.metadata = metadata
        self.pending_state: TransactionState | None = None
        """Where it is going: its record is being written, or its markers are."""
        self.markers_left: set[TopicPartition] = set()
        """The partitions that have not got their marker yet; empty unless the state is a Prepare."""
