"""Waits a moment for the transaction before, whose markers are still being written when the next one begins.

A client of transaction version 2 begins by writing, as soon as its last transaction was acknowledged. Before it is told
CONCURRENT_TRANSACTIONS the coordinator is asked again, every `add.partitions.to.txn.retry.backoff.ms` for
`add.partitions.to.txn.retry.backoff.max.ms`. Kafka: `ReplicaManager.maybeRetryOnConcurrentTransactions`; KIP-890.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...protocol.errors import ErrorCode
from ..request import Deferred

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..coordinators.transaction_metadata import TopicPartition
    from ..services import Services
    from .transaction_verification import Refusal

    Refusals = Mapping[TopicPartition, Refusal]


def when_settled(
    ask: Callable[[], Refusals], keep: Callable[[], None], act: Callable[[Refusals], Any], services: Services
) -> Any:
    """What `act` answers to what `ask` finds, at once or after a while.

    `keep` is called before the first wait: whatever is needed later must outlive the request's frame.
    """
    refusals = ask()
    if not _is_momentary(refusals):
        return act(refusals)
    keep()
    return _Waiting(ask, act, services).deferred


def _is_momentary(refusals: Refusals) -> bool:
    return any(refusal.code is ErrorCode.CONCURRENT_TRANSACTIONS for refusal in refusals.values())


class _Waiting:
    """One request that is asked about again."""

    def __init__(self, ask: Callable[[], Refusals], act: Callable[[Refusals], Any], services: Services) -> None:
        self._ask = ask
        self._act = act
        self._services = services
        self._deadline_ms = self._now_ms() + services.config.add_partitions_to_txn_retry_backoff_max_ms
        self.deferred: Deferred[Any] = Deferred()
        self._schedule()

    def _now_ms(self) -> int:
        return self._services.clock.monotonic_ms()

    def _schedule(self) -> None:
        backoff_ms = self._services.config.add_partitions_to_txn_retry_backoff_ms
        timer = self._services.timers.schedule(self._now_ms() + backoff_ms, self._ask_again)
        self.deferred.on_abandon = timer.cancel

    def _ask_again(self) -> None:
        refusals = self._ask()
        if _is_momentary(refusals) and self._now_ms() < self._deadline_ms:
            self._schedule()
            return
        answer = self._act(refusals)
        if isinstance(answer, Deferred):
            self.deferred.on_abandon = answer.abandon
            answer.when_complete(self.deferred.complete)
        else:
            self.deferred.complete(answer)
