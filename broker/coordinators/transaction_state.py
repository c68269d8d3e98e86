"""The states of a transactional id, and what follows which.

A transaction is ended in two steps: Prepare* says in the log how it will end, then every partition gets its marker,
then Complete* says that all have it. Kafka: `TransactionState`, `TransactionVersion`; KIP-98, KIP-890.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class TransactionState(IntEnum):
    """A state, with the number that it has in `__transaction_state`."""

    EMPTY = 0
    ONGOING = 1
    PREPARE_COMMIT = 2
    PREPARE_ABORT = 3
    COMPLETE_COMMIT = 4
    COMPLETE_ABORT = 5
    DEAD = 6
    PREPARE_EPOCH_FENCE = 7

    @property
    def label(self) -> str:
        """The name that tools and filters have for it: PrepareCommit."""
        return "".join(word.capitalize() for word in self.name.split("_"))

    @property
    def is_prepared(self) -> bool:
        """Whether markers are being written."""
        return self in PREPARED

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing is open: the next transaction may begin, and the transactional id may expire."""
        return self in AT_REST


PREPARED: Final = (TransactionState.PREPARE_COMMIT, TransactionState.PREPARE_ABORT)
"""A member of a tuple is found in a third of the time that the property takes."""
AT_REST: Final = (TransactionState.EMPTY, TransactionState.COMPLETE_COMMIT, TransactionState.COMPLETE_ABORT)
"""The same for what the property tells whose name this is."""

STATE_OF_LABEL: Final = {state.label: state for state in TransactionState}

VALID_PREVIOUS: Final = {
    TransactionState.EMPTY: frozenset(AT_REST),
    TransactionState.ONGOING: frozenset((TransactionState.ONGOING, *AT_REST)),
    TransactionState.PREPARE_COMMIT: frozenset((TransactionState.ONGOING,)),
    TransactionState.PREPARE_ABORT: frozenset((TransactionState.ONGOING, *AT_REST)),
    TransactionState.COMPLETE_COMMIT: frozenset((TransactionState.PREPARE_COMMIT,)),
    TransactionState.COMPLETE_ABORT: frozenset((TransactionState.PREPARE_ABORT,)),
    TransactionState.DEAD: frozenset(AT_REST),
    TransactionState.PREPARE_EPOCH_FENCE: frozenset((TransactionState.ONGOING,)),
}
"""From which state each may be entered. PrepareEpochFence is never written: fencing goes straight to PrepareAbort."""

EPOCH_BUMPS_SINCE: Final = 2
"""From this transaction version on, every end of a transaction gives the producer a new epoch (KIP-890)."""
FLEXIBLE_RECORDS_SINCE: Final = 1
"""From this transaction version on, records have tagged fields."""


def bumps_epochs(transaction_version: int) -> bool:
    """Whether a transaction of this version ends with a new epoch."""
    return transaction_version >= EPOCH_BUMPS_SINCE
