"""ListTransactions: which transactional ids an admin's filters let through.

Kafka: `TransactionStateManager.listTransactionStates`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .topic_patterns.alphabet import Alphabet
from .topic_patterns.pattern import PatternError, TopicPattern
from .transaction_state import STATE_OF_LABEL, TransactionState

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from .transaction_metadata import TransactionMetadata


class InvalidPattern(ValueError):
    """A pattern that is no regular expression; the message is for the client."""


class TransactionFilter(NamedTuple):
    """What to list; an empty collection, a negative duration and no pattern let everything through."""

    states: frozenset[TransactionState]
    has_states: bool
    producer_ids: frozenset[int]
    duration_ms: int
    pattern: TopicPattern | None

    def lets_through(self, metadata: TransactionMetadata, now_ms: int) -> bool:
        """Whether this one is listed; -1, the start of what has not begun, counts as long ago, as in Kafka."""
        return (
            metadata.state is not TransactionState.DEAD
            and (not self.producer_ids or metadata.producer_id in self.producer_ids)
            and (not self.has_states or metadata.state in self.states)
            and (self.duration_ms < 0 or now_ms - metadata.start_timestamp_ms > self.duration_ms)
            and (self.pattern is None or self.pattern.matches(metadata.transactional_id))
        )


def transaction_filter(
    state_names: Collection[str],
    producer_ids: Iterable[int],
    duration_ms: int,
    pattern: str | None,
    transactional_ids: Iterable[str] = (),
) -> tuple[TransactionFilter, list[str]]:
    """The filter for ids out of these, and the names of states that do not exist. Raises InvalidPattern."""
    known = frozenset(STATE_OF_LABEL[name] for name in state_names if name in STATE_OF_LABEL)
    unknown = [name for name in dict.fromkeys(state_names) if name not in STATE_OF_LABEL]
    compiled = _compiled(pattern, transactional_ids) if pattern else None
    return TransactionFilter(known, bool(state_names), frozenset(producer_ids), duration_ms, compiled), unknown


def _compiled(pattern: str, transactional_ids: Iterable[str]) -> TopicPattern:
    beyond_ascii = {name for name in transactional_ids if not name.isascii()}
    try:
        return TopicPattern(pattern, Alphabet("".join(beyond_ascii)))
    except PatternError as error:
        raise InvalidPattern(
            f"Transaction ID pattern `{pattern}` is not a valid regular expression: {error}."
        ) from error


def listed(
    metadata: Iterable[TransactionMetadata], wanted: TransactionFilter, now_ms: int
) -> Iterator[TransactionMetadata]:
    """Those that the filter lets through."""
    return (one for one in metadata if wanted.lets_through(one, now_ms))
