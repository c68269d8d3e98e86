"""The partitions of one fetch session: what its client asks of each, what it was told, and which must be read.

An incremental fetch does not look at every partition of its session. A partition is settled when it has been read and
there was nothing to tell, and then something watches it. What holds:

- Each partition of a session is unsettled, or is settled and has a watch. Only an open session has settled partitions,
  and only as long as its requests are of the kind (isolation level, no replica) that settled them.
- A settled partition would be left out of the answer if it were read now. Whatever could change that unsettles it: a
  request that names or forgets it, its high watermark, log start or leader epoch, its failing or being deleted.
- So the unsettled ones, in the order of the session, give the answer that all of them would give.
- Watches end with their session. A fetch that is parked takes them along when its session goes on or ends without it.
Kafka, which reads every partition each time: `FetchSession`, `CachedPartition`.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Final, Protocol

from ...protocol.errors import ErrorCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...protocol.messages.fetch import FetchPartition, FetchRequest, PartitionData

REPLICA: Final = 2
"""The kind of a follower's request; a consumer's is its isolation level."""


FIRST_EPOCH: Final = 1
_NEVER_TOLD = -1
_IN_TURN = attrgetter("turn")


class Watching(Protocol):
    """Looks after a settled partition."""

    def stop(self) -> None:
        """Look no more."""
        ...


class Waiting(Protocol):
    """A parked fetch that relies on the watches of its session."""

    def stand_alone(self) -> None:
        """Rely on watches of its own from now on."""
        ...


class CachedPartition:
    """One partition of a fetch: what the client asks of it, and what it was last told.

    `topic` is None while the topic id is not known to this broker; `topic_id` is zero below version 13.
    """

    __slots__ = (
        "current_leader_epoch",
        "fetch_offset",
        "high_watermark",
        "key",
        "last_fetched_epoch",
        "log_start_offset",
        "max_bytes",
        "partition",
        "topic",
        "topic_id",
        "turn",
        "watching",
    )

    def __init__(
        self, key: tuple[str | bytes, int], topic: str | None, topic_id: bytes, request: FetchPartition
    ) -> None:
        self.key = key
        self.topic = topic
        self.topic_id = topic_id
        self.partition = request.partition
        self.fetch_offset = request.fetch_offset
        self.max_bytes = request.partition_max_bytes
        self.current_leader_epoch = request.current_leader_epoch
        self.last_fetched_epoch = request.last_fetched_epoch
        self.high_watermark = _NEVER_TOLD
        self.log_start_offset = _NEVER_TOLD
        self.turn = 0
        self.watching: Watching | None = None
        """What looks after it while it is settled."""

    def update_request(self, request: CachedPartition) -> None:
        """Take over what the client now asks; what it was told stays."""
        self.fetch_offset = request.fetch_offset
        self.max_bytes = request.max_bytes
        self.current_leader_epoch = request.current_leader_epoch
        self.last_fetched_epoch = request.last_fetched_epoch

    def note_answer(self, answer: PartitionData) -> bool:
        """Remember what the client is about to be told; say whether there is anything to tell."""
        changed = (
            bool(answer.records)
            or answer.high_watermark != self.high_watermark
            or answer.log_start_offset != self.log_start_offset
            or answer.preferred_read_replica >= 0
            or answer.error_code != ErrorCode.NONE
            or answer.diverging_epoch is not None
        )
        if changed:
            # After an error the partition is told again when the error is gone, whatever its offsets are then.
            self.high_watermark = answer.high_watermark if answer.error_code == ErrorCode.NONE else _NEVER_TOLD
            self.log_start_offset = answer.log_start_offset
        return changed


Answer = tuple[CachedPartition, "PartitionData"]


class FetchSession:
    """The partitions of one session, in the order in which they are read: those that gave records last come last."""

    __slots__ = (
        "_has_unknown_topics",
        "_kind",
        "_next_turn",
        "_unsettled",
        "created_ms",
        "epoch",
        "id",
        "is_open",
        "is_privileged",
        "last_used_ms",
        "partitions",
        "size",
        "uses_topic_ids",
        "waiting",
    )

    def __init__(
        self,
        session_id: int,
        partitions: dict[tuple[str | bytes, int], CachedPartition],
        *,
        is_privileged: bool,
        uses_topic_ids: bool,
        now_ms: int,
    ) -> None:
        self.id = session_id
        self.partitions = partitions
        self.is_privileged = is_privileged
        self.uses_topic_ids = uses_topic_ids
        self.created_ms = now_ms
        self.last_used_ms = now_ms
        self.epoch = FIRST_EPOCH
        self.size = len(partitions)
        """How many partitions there were when the session was last used; eviction compares it."""
        self.is_open = True
        self.waiting: Waiting | None = None
        """The parked fetch that its newest request has become, if any."""
        self._has_unknown_topics = True
        self._kind: int | None = None
        self._unsettled = set(partitions.values())
        self._next_turn = len(partitions)
        for turn, partition in enumerate(partitions.values()):
            partition.turn = turn

    def unsettled(self, kind: int) -> list[CachedPartition]:
        """What a request of this kind must read, in its order."""
        if kind != self._kind:
            self._unsettle_all()
            self._kind = kind
        return sorted(self._unsettled, key=_IN_TURN)

    def settle(self, partition: CachedPartition, watching: Watching) -> None:
        """There is nothing to tell of a partition until `watching` says so."""
        self._unsettled.remove(partition)
        partition.watching = watching

    def unsettle(self, partition: CachedPartition) -> None:
        """Have a partition read again."""
        watching = partition.watching
        if watching is not None:
            partition.watching = None
            self._unsettled.add(partition)
            watching.stop()

    def go_on_alone(self) -> None:
        """Leave a parked fetch to itself: another request has come, or the session ends."""
        waiting = self.waiting
        if waiting is not None:
            waiting.stand_alone()
            self.waiting = None

    def close(self) -> None:
        """It is in the cache no more."""
        self.is_open = False
        self._unsettle_all()

    def _unsettle_all(self) -> None:
        self.go_on_alone()
        for partition in self.partitions.values():
            self.unsettle(partition)

    def update(self, asked: dict[tuple[str | bytes, int], CachedPartition], request: FetchRequest) -> None:
        """Add and change the partitions that a request names, then drop those it forgets."""
        partitions = self.partitions
        for key, partition in asked.items():
            known = partitions.get(key)
            if known is None:
                partitions[key] = partition
                self._unsettled.add(partition)
                self._take_turn(partition)
                self._has_unknown_topics = True
            else:
                self.unsettle(known)
                known.update_request(partition)
        for forgotten in request.forgotten_topics_data:
            topic_key = forgotten.topic_id if self.uses_topic_ids else forgotten.topic
            for index in forgotten.partitions:
                gone = partitions.pop((topic_key, index), None)
                if gone is not None:
                    self.unsettle(gone)
                    self._unsettled.remove(gone)

    def resolve_names(self, topic_name: Callable[[bytes], str | None]) -> None:
        """Look again for the topics whose ids were not known; a name once found stays, as in Kafka."""
        if not self._has_unknown_topics:
            return
        self._has_unknown_topics = False
        for partition in self.partitions.values():
            if partition.topic is None:
                partition.topic = topic_name(partition.topic_id)
                self._has_unknown_topics |= partition.topic is None

    def move_to_end(self, partition: CachedPartition) -> None:
        """Read this partition last from now on, so that each has its turn when not all fit into a response."""
        if self.partitions.pop(partition.key, None) is not None:
            self.partitions[partition.key] = partition
            self._take_turn(partition)

    def _take_turn(self, partition: CachedPartition) -> None:
        partition.turn = self._next_turn
        self._next_turn += 1
