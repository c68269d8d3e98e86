"""Fetch sessions: what a client has already been told about the partitions it fetches (KIP-227).

A full fetch (epoch 0) names every partition and may open a session; each later one (epochs 1, 2, ...) names only what
changes, and is answered only with what has changed. A session is opened when its first answer is made, with what that
answer told. Whatever arrives with another epoch than the next one is refused, and the client begins again.

The cache holds a limited number of sessions. A new one may push out another that was not used for two minutes, or one
that is older than that and has fewer partitions; a follower's may also push out a consumer's. Kafka splits its cache
into eight shards so that its threads do not wait for each other; here it is one, with the same rules.

What a session reads: `session_partitions.py`.
Kafka: `FetchSessionCacheShard`, `FetchManager`, `FetchContext`.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from ...protocol.errors import ErrorCode
from ...protocol.primitives import ZERO_UUID
from .session_partitions import FIRST_EPOCH, CachedPartition, FetchSession

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from ...protocol.messages.fetch import FetchRequest
    from .session_partitions import Answer

INVALID_SESSION_ID: Final = 0
INITIAL_EPOCH: Final = 0
FINAL_EPOCH: Final = -1
EVICTION_MS: Final = 120_000
"""How long a session is safe from those that have more partitions (`MIN_INCREMENTAL_FETCH_SESSION_EVICTION_MS`)."""

_FIRST_VERSION_WITH_TOPIC_IDS = 13
_MAX_EPOCH = (1 << 31) - 1


class FetchContext:
    """One fetch request in the light of its session: what to read, and how to answer.

    `error` is the answer to the whole request when the session is not as the client believes; nothing is read then.
    """

    __slots__ = (
        "_cache",
        "_expected_epoch",
        "_is_privileged",
        "_uses_topic_ids",
        "error",
        "opens_session",
        "partitions",
        "session",
    )

    def __init__(
        self,
        cache: FetchSessionCache,
        partitions: Collection[CachedPartition],
        *,
        error: ErrorCode = ErrorCode.NONE,
        session: FetchSession | None = None,
        opens_session: bool = False,
        is_privileged: bool = False,
        uses_topic_ids: bool = False,
    ) -> None:
        self.partitions = partitions
        self.error = error
        self.session = session
        self._cache = cache
        self._expected_epoch = session.epoch if session is not None else FINAL_EPOCH
        self.opens_session = opens_session
        self._is_privileged = is_privileged
        self._uses_topic_ids = uses_topic_ids

    def to_read(self, kind: int) -> Collection[CachedPartition]:
        """What can give an answer, in its order: all that a full fetch names, what is not settled of a session.

        `kind` is the isolation level, or REPLICA.
        """
        session = self.session
        if session is None:
            return self.partitions
        # Who was overtaken is told so, whatever there is to read.
        return session.unsettled(kind) if session.epoch == self._expected_epoch else ()

    def finish(self, answers: list[Answer], now_ms: int) -> tuple[ErrorCode, int, list[Answer]]:
        """The response's error and session id, and which of the partitions that were read go into it.

        Of an incremental fetch, a partition that was left out of `answers` counts as unchanged.
        """
        session = self.session
        if session is not None:
            return self._finish_incremental(session, answers)
        session_id = INVALID_SESSION_ID
        if self.opens_session:
            session_id = self._cache.begin(
                answers, is_privileged=self._is_privileged, uses_topic_ids=self._uses_topic_ids, now_ms=now_ms
            )
        return self.error, session_id, answers

    def _finish_incremental(self, session: FetchSession, answers: list[Answer]) -> tuple[ErrorCode, int, list[Answer]]:
        if session.epoch != self._expected_epoch:
            # While this request was parked, another one came for the same session on another connection.
            return ErrorCode.INVALID_FETCH_SESSION_EPOCH, session.id, []
        changed = []
        for answer in answers:
            partition, data = answer
            if partition.note_answer(data):
                changed.append(answer)
                if data.records:
                    session.move_to_end(partition)
        return ErrorCode.NONE, session.id, changed


class FetchSessionCache:
    """All sessions of the broker.

    `slots` is max.incremental.fetch.session.cache.slots; `new_session_id` gives a random number from 1 to 2^31 - 1.
    Times are of the monotonic clock.
    """

    __slots__ = ("_new_session_id", "_sessions", "slots")

    def __init__(self, slots: int, new_session_id: Callable[[], int]) -> None:
        self.slots = slots
        self._new_session_id = new_session_id
        # Least recently used first.
        self._sessions: OrderedDict[int, FetchSession] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sessions)

    @property
    def cached_partitions(self) -> int:
        """How many partitions all sessions hold together."""
        return sum(session.size for session in self._sessions.values())

    def get(self, session_id: int) -> FetchSession | None:
        """The session with this id, if it is open."""
        return self._sessions.get(session_id)

    def open(
        self,
        request: FetchRequest,
        version: int,
        topic_name: Callable[[bytes], str | None],
        now_ms: int,
        *,
        is_privileged: bool = False,
    ) -> FetchContext:
        """Find what a request asks for. `topic_name` knows topics by their ids; followers are privileged."""
        uses_topic_ids = version >= _FIRST_VERSION_WITH_TOPIC_IDS
        epoch = request.session_epoch
        if epoch not in (INITIAL_EPOCH, FINAL_EPOCH):
            return self._continue(request, uses_topic_ids, topic_name, now_ms)
        # A full fetch ends the session that it names.
        if request.session_id in self._sessions:
            self._sessions.pop(request.session_id).close()
        return FetchContext(
            self,
            _asked_partitions(request, uses_topic_ids, topic_name).values(),
            opens_session=epoch == INITIAL_EPOCH,
            is_privileged=is_privileged,
            uses_topic_ids=uses_topic_ids,
        )

    def _continue(
        self, request: FetchRequest, uses_topic_ids: bool, topic_name: Callable[[bytes], str | None], now_ms: int
    ) -> FetchContext:
        session = self._sessions.get(request.session_id)
        if session is None:
            return FetchContext(self, (), error=ErrorCode.FETCH_SESSION_ID_NOT_FOUND)
        if session.epoch != request.session_epoch:
            return FetchContext(self, (), error=ErrorCode.INVALID_FETCH_SESSION_EPOCH)
        if session.uses_topic_ids != uses_topic_ids:
            return FetchContext(self, (), error=ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR)
        asked = _asked_partitions(request, uses_topic_ids, topic_name) if request.topics else {}
        session.go_on_alone()
        session.update(asked, request)
        if not session.partitions:
            self._sessions.pop(session.id).close()
            return FetchContext(self, asked.values())
        self._touch(session, now_ms)
        session.epoch = session.epoch + 1 if session.epoch < _MAX_EPOCH else FIRST_EPOCH
        if uses_topic_ids:
            session.resolve_names(topic_name)
        return FetchContext(self, session.partitions.values(), session=session)

    def _touch(self, session: FetchSession, now_ms: int) -> None:
        session.last_used_ms = now_ms
        session.size = len(session.partitions)
        self._sessions.move_to_end(session.id)

    def begin(self, answers: list[Answer], *, is_privileged: bool, uses_topic_ids: bool, now_ms: int) -> int:
        """Begin a session with what a full fetch was answered; INVALID_SESSION_ID when there is no room for it."""
        if len(self._sessions) >= self.slots and not self._evict(is_privileged, len(answers), now_ms):
            return INVALID_SESSION_ID
        partitions = {}
        for partition, data in answers:
            partition.high_watermark = data.high_watermark
            partition.log_start_offset = data.log_start_offset
            partitions[partition.key] = partition
        session_id = self._unused_id()
        self._sessions[session_id] = FetchSession(
            session_id, partitions, is_privileged=is_privileged, uses_topic_ids=uses_topic_ids, now_ms=now_ms
        )
        return session_id

    def _unused_id(self) -> int:
        while (session_id := self._new_session_id()) in self._sessions or session_id == INVALID_SESSION_ID:
            pass
        return session_id

    def _evict(self, is_privileged: bool, size: int, now_ms: int) -> bool:
        """Make room for a session of `size` partitions, if there is one that is worth less."""
        if not self._sessions:
            return False
        victim = next(iter(self._sessions.values()))
        if now_ms - victim.last_used_ms <= EVICTION_MS:
            # None is stale; the smallest of those that may go at all is compared with the new one.
            victim = min(self._sessions.values(), key=lambda s: self._eviction_order(s, is_privileged))
            if not _can_be_evicted(victim, by_privileged=is_privileged, size=size):
                return False
        self._sessions.pop(victim.id).close()
        return True

    @staticmethod
    def _eviction_order(session: FetchSession, by_privileged: bool) -> tuple[bool, bool, int, int]:
        is_protected = not _is_old(session) and (session.is_privileged or not by_privileged)
        return is_protected, session.is_privileged, session.size, session.id


def _is_old(session: FetchSession) -> bool:
    return session.last_used_ms - session.created_ms > EVICTION_MS


def _can_be_evicted(session: FetchSession, *, by_privileged: bool, size: int) -> bool:
    """Whether a new session with `size` partitions is worth more than this one, which is not stale."""
    if by_privileged and not session.is_privileged:
        return True
    return _is_old(session) and session.is_privileged == by_privileged and size > session.size


def _asked_partitions(
    request: FetchRequest, uses_topic_ids: bool, topic_name: Callable[[bytes], str | None]
) -> dict[tuple[str | bytes, int], CachedPartition]:
    """The partitions that a request names, in its order; of one that it names twice, the later wish."""
    asked: dict[tuple[str | bytes, int], CachedPartition] = {}
    for topic in request.topics:
        if uses_topic_ids:
            topic_id = topic.topic_id
            name = topic_name(topic_id)
            for wish in topic.partitions:
                key: tuple[str | bytes, int] = (topic_id, wish.partition)
                asked[key] = CachedPartition(key, name, topic_id, wish)
        else:
            name = topic.topic
            for wish in topic.partitions:
                key = (name, wish.partition)
                asked[key] = CachedPartition(key, name, ZERO_UUID, wish)
    return asked
