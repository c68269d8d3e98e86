"""Incremental fetch sessions (KIP-227): what a consumer fetches is remembered, so that only changes travel.

A session holds the partitions that its client fetches, in the order in which they are served; partitions that gave
data move to the end, so that none starves. The response leaves out what has not changed since the last one.
The cache holds a bounded number of sessions; a new one may take the place of one that was not used for two minutes,
or of a smaller one that has had its two minutes. Kafka: `FetchManager`, `FetchSession`, `FetchSessionCache`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...protocol.errors import ErrorCode
from ...protocol.messages.fetch import FetchableTopicResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ...protocol.messages.fetch import FetchPartition, FetchRequest, ForgottenTopic, PartitionData

NO_SESSION_ID = 0
INITIAL_EPOCH = 0
FINAL_EPOCH = -1
EVICTION_MS = 120_000

_EPOCH_MAX = 2**31 - 1
_FIRST_VERSION_WITH_TOPIC_IDS = 13


class PartitionKey(NamedTuple):
    """A partition as a request names it: by topic name, or from version 13 on by topic id."""

    topic: str
    topic_id: bytes
    partition: int


class FetchItem:
    """One partition of a fetch: where its reader is, and what the reader was told last."""

    __slots__ = (
        "current_leader_epoch",
        "fetch_offset",
        "index",
        "key",
        "last_fetched_epoch",
        "max_bytes",
        "told_high_watermark",
        "told_log_start_offset",
        "topic",
        "topic_id",
    )

    def __init__(self, key: PartitionKey, topic: str | None, wanted: FetchPartition) -> None:
        self.key = key
        self.topic = topic
        """The topic's name; None while its id is not known."""
        self.topic_id = key.topic_id
        self.index = key.partition
        self.told_high_watermark = -1
        self.told_log_start_offset = -1
        self.want(wanted)

    def want(self, wanted: FetchPartition) -> None:
        """Follow what the reader asks for."""
        self.fetch_offset = wanted.fetch_offset
        self.max_bytes = wanted.partition_max_bytes
        self.current_leader_epoch = wanted.current_leader_epoch
        self.last_fetched_epoch = wanted.last_fetched_epoch

    def has_news(self, data: PartitionData) -> bool:
        """Whether `data` must be sent in an incremental response; notes it as told."""
        news = (
            bool(data.records)
            or data.high_watermark != self.told_high_watermark
            or data.log_start_offset != self.told_log_start_offset
            or data.preferred_read_replica != -1
            or data.diverging_epoch is not None
        )
        self.told_high_watermark = data.high_watermark
        self.told_log_start_offset = data.log_start_offset
        if data.error_code:
            # An error is told every time, and its end is told too.
            self.told_high_watermark = -1
            return True
        return news


class FetchSession:
    """One client's session; `epoch` is what its next request must carry."""

    __slots__ = ("created_ms", "epoch", "items", "last_used_ms", "session_id", "uses_topic_ids")

    def __init__(
        self, session_id: int, items: dict[PartitionKey, FetchItem], uses_topic_ids: bool, now_ms: int
    ) -> None:
        self.session_id = session_id
        self.items = items
        self.uses_topic_ids = uses_topic_ids
        self.epoch = next_epoch(INITIAL_EPOCH)
        self.created_ms = now_ms
        self.last_used_ms = now_ms


def next_epoch(epoch: int) -> int:
    """The epoch after this one; it wraps to 1, since 0 begins a session."""
    return 1 if epoch == _EPOCH_MAX else epoch + 1


Result = tuple["FetchItem", "PartitionData"]


class FetchContext:
    """What one request fetches, and how its results become a response."""

    __slots__ = ("_begin", "error", "items", "session")

    def __init__(
        self,
        items: list[FetchItem],
        *,
        session: FetchSession | None = None,
        begin: Callable[[list[FetchItem]], int] | None = None,
        error: ErrorCode = ErrorCode.NONE,
    ) -> None:
        self.items = items
        self.session = session
        self.error = error
        self._begin = begin

    def finish(self, results: list[Result]) -> tuple[int, list[FetchableTopicResponse]]:
        """The session id and the topics to answer with."""
        session = self.session
        if session is not None:
            results = [result for result in results if result[0].has_news(result[1])]
            for item, data in results:
                if data.records and session.items.pop(item.key, None) is not None:
                    session.items[item.key] = item
            return session.session_id, _by_topic(results)
        if self._begin is None:
            return NO_SESSION_ID, _by_topic(results)
        for item, data in results:
            item.has_news(data)
        return self._begin([item for item, _ in results]), _by_topic(results)


def _by_topic(results: list[Result]) -> list[FetchableTopicResponse]:
    """Group what stands together; the order of the partitions stays as it is."""
    topics: list[FetchableTopicResponse] = []
    last: tuple[str, bytes] | None = None
    for item, data in results:
        key = (item.key.topic, item.key.topic_id)
        if key != last:
            last = key
            topics.append(FetchableTopicResponse(topic=key[0], topic_id=key[1]))
        topics[-1].partitions.append(data)
    return topics


class FetchSessionCache:
    """All sessions of a broker, at most `slots`. `new_session_id` gives random positive ids."""

    def __init__(self, slots: int, new_session_id: Callable[[], int]) -> None:
        self.slots = slots
        self._new_session_id = new_session_id
        # In the order of their last use.
        self._sessions: dict[int, FetchSession] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def open(
        self, request: FetchRequest, version: int, topic_name: Callable[[bytes], str | None], now_ms: int
    ) -> FetchContext:
        """What the request fetches: all that it names, or what its session holds after its changes."""
        uses_topic_ids = version >= _FIRST_VERSION_WITH_TOPIC_IDS
        if request.session_epoch in (INITIAL_EPOCH, FINAL_EPOCH):
            self._sessions.pop(request.session_id, None)
            items = list(_items(request, uses_topic_ids, topic_name).values())
            if request.session_epoch == FINAL_EPOCH:
                return FetchContext(items)
            return FetchContext(items, begin=lambda fetched: self._begin(fetched, uses_topic_ids, now_ms))
        return self._continue(request, uses_topic_ids, topic_name, now_ms)

    def _continue(
        self,
        request: FetchRequest,
        uses_topic_ids: bool,
        topic_name: Callable[[bytes], str | None],
        now_ms: int,
    ) -> FetchContext:
        session = self._sessions.get(request.session_id)
        if session is None:
            return FetchContext([], error=ErrorCode.FETCH_SESSION_ID_NOT_FOUND)
        if session.epoch != request.session_epoch:
            return FetchContext([], error=ErrorCode.INVALID_FETCH_SESSION_EPOCH)
        if session.uses_topic_ids != uses_topic_ids:
            return FetchContext([], error=ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR)
        _update(session, request, topic_name)
        del self._sessions[session.session_id]
        if not session.items:
            return FetchContext([])
        self._sessions[session.session_id] = session
        session.last_used_ms = now_ms
        session.epoch = next_epoch(session.epoch)
        return FetchContext(list(session.items.values()), session=session)

    def _begin(self, items: list[FetchItem], uses_topic_ids: bool, now_ms: int) -> int:
        """Remember a new session if there is room for it; return its id, or 0."""
        if not items or not self._make_room(len(items), now_ms):
            return NO_SESSION_ID
        session_id = self._new_session_id()
        while session_id in self._sessions or session_id == NO_SESSION_ID:
            session_id = self._new_session_id()
        by_key = {item.key: item for item in items}
        self._sessions[session_id] = FetchSession(session_id, by_key, uses_topic_ids, now_ms)
        return session_id

    def _make_room(self, size: int, now_ms: int) -> bool:
        if len(self._sessions) < self.slots:
            return True
        if not self._sessions:
            return False
        oldest = next(iter(self._sessions.values()))
        if now_ms - oldest.last_used_ms > EVICTION_MS:
            del self._sessions[oldest.session_id]
            return True
        evictable = [s for s in self._sessions.values() if now_ms - s.created_ms > EVICTION_MS and len(s.items) < size]
        if not evictable:
            return False
        smallest = min(evictable, key=lambda session: (len(session.items), session.session_id))
        del self._sessions[smallest.session_id]
        return True


def _items(
    request: FetchRequest, uses_topic_ids: bool, topic_name: Callable[[bytes], str | None]
) -> dict[PartitionKey, FetchItem]:
    items: dict[PartitionKey, FetchItem] = {}
    for topic in request.topics:
        name = topic_name(topic.topic_id) if uses_topic_ids else topic.topic
        for wanted in topic.partitions:
            key = PartitionKey(topic.topic, topic.topic_id, wanted.partition)
            items[key] = FetchItem(key, name, wanted)
    return items


def _update(session: FetchSession, request: FetchRequest, topic_name: Callable[[bytes], str | None]) -> None:
    for topic in request.topics:
        name = topic_name(topic.topic_id) if session.uses_topic_ids else topic.topic
        for wanted in topic.partitions:
            key = PartitionKey(topic.topic, topic.topic_id, wanted.partition)
            known = session.items.get(key)
            if known is None:
                session.items[key] = FetchItem(key, name, wanted)
            else:
                known.want(wanted)
    _forget(session, request.forgotten_topics_data)
    if session.uses_topic_ids:
        for item in session.items.values():
            if item.topic is None:
                item.topic = topic_name(item.topic_id)


def _forget(session: FetchSession, forgotten: Iterable[ForgottenTopic]) -> None:
    for topic in forgotten:
        for index in topic.partitions:
            session.items.pop(PartitionKey(topic.topic, topic.topic_id, index), None)
