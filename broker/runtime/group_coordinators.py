"""Runs the group shards over the partitions of `__consumer_offsets`.

A decision's records are appended as one batch, replayed, and only then is anybody answered: what a client was told is
in the log. An append either is there at once or fails, so a request is decided, written and answered within one call.
Each group has one timer for its earliest deadline. Kafka: `CoordinatorRuntime`, `GroupCoordinatorService`.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from ...protocol.errors import ErrorCode, ProtocolError
from ...protocol.records import Record, build_batch, read_records
from ...storage.append import AppendError, AppendOrigin
from ..coordinators.group_effects import Append, Caller, Moment, Reply
from ..coordinators.group_records import decode_record, encode_record
from ..coordinators.group_shard import GroupShard
from ..metadata.cluster_metadata import MetadataListener
from ..metadata.topic_names import GROUP_METADATA_TOPIC
from ..request import Deferred

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ...protocol.messages.join_group import JoinGroupRequest, JoinGroupResponse
    from ...protocol.messages.leave_group import MemberIdentity, MemberResponse
    from ...protocol.messages.sync_group import SyncGroupRequest, SyncGroupResponse
    from ..clock import Clock
    from ..coordinators.classic_group import ClassicGroup
    from ..coordinators.group_effects import Effect
    from ..coordinators.group_records import GroupRecord
    from ..coordinators.group_settings import GroupSettings
    from ..metadata.partition_image import TopicImage
    from ..request import RequestContext
    from .partitions import Partition, Partitions
    from .timers import TimerHandle, Timers

logger = logging.getLogger(__name__)

# What a client is told when the group's records cannot be written (Kafka: CoordinatorOperationExceptionHelper).
_APPEND_ERRORS = {
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.NOT_ENOUGH_REPLICAS: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.REQUEST_TIMED_OUT: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.NOT_LEADER_OR_FOLLOWER: ErrorCode.NOT_COORDINATOR,
    ErrorCode.KAFKA_STORAGE_ERROR: ErrorCode.NOT_COORDINATOR,
}


class _GroupTimer(NamedTuple):
    deadline_ms: int
    handle: TimerHandle


class _Hosted(NamedTuple):
    """A shard, the partition that it lives in, and the timers of its groups."""

    shard: GroupShard
    partition: Partition
    timers: dict[str, _GroupTimer]


class GroupCoordinators(MetadataListener):
    """Every group of the broker, by the partition that keeps it."""

    def __init__(
        self,
        *,
        partitions: Partitions,
        clock: Clock,
        timers: Timers,
        settings: GroupSettings,
        new_uuid_text: Callable[[], str],
    ) -> None:
        self._partitions = partitions
        self._clock = clock
        self._timers = timers
        self._settings = settings
        self._new_uuid_text = new_uuid_text
        self._hosted: list[_Hosted] = []
        self._waiting: dict[int, Deferred[Any]] = {}
        self._next_waiter = 0
        self._clean_up_timer: TimerHandle | None = None

    # Life

    def start(self) -> None:
        """Bring back every group that the log knows, and begin to expire offsets."""
        self._host_new_partitions()
        self._schedule_clean_up()

    def stop(self) -> None:
        """Expire nothing any more."""
        if self._clean_up_timer is not None:
            self._clean_up_timer.cancel()
        for hosted in self._hosted:
            for timer in hosted.timers.values():
                timer.handle.cancel()

    def topic_created(self, topic: TopicImage) -> None:
        """Host the shards of `__consumer_offsets` when it comes to be."""
        if topic.name == GROUP_METADATA_TOPIC:
            self._host_new_partitions()

    def topic_deleted(self, topic: TopicImage) -> None:
        """Forget how far a deleted topic was read, or all groups with their own topic."""
        if topic.name == GROUP_METADATA_TOPIC:
            self._unload()
            return
        for hosted in self._hosted:
            self._run(hosted, hosted.shard.delete_topic_offsets(topic.name, topic.topic_id))

    def _host_new_partitions(self) -> None:
        while (partition := self._partitions.get(GROUP_METADATA_TOPIC, len(self._hosted))) is not None:
            hosted = _Hosted(GroupShard(self._settings), partition, {})
            self._hosted.append(hosted)
            self._load(hosted)

    def _unload(self) -> None:
        hosted_before, self._hosted = self._hosted, []
        for hosted in hosted_before:
            for timer in hosted.timers.values():
                timer.handle.cancel()
            hosted.timers.clear()
            self._run(hosted, hosted.shard.unload(self._now()))

    def _load(self, hosted: _Hosted) -> None:
        log = hosted.partition.log
        count = 0
        for batch, header in log.batches(log.log_start_offset):
            if header.is_control:
                continue
            for record in read_records(batch, 0, header):
                decoded = self._decoded(hosted, record)
                if decoded is not None:
                    hosted.shard.replay(decoded, record.offset)
                    count += 1
        if count:
            logger.info("%s: %d groups from %d records", hosted.partition.name, len(hosted.shard.groups), count)
        self._run(hosted, hosted.shard.resume(self._now()))
        for group in hosted.shard.groups.values():
            self._arm(hosted, group)

    @staticmethod
    def _decoded(hosted: _Hosted, record: Record) -> GroupRecord | None:
        if record.key is None:
            return None
        try:
            return decode_record(record.key, record.value)
        except ProtocolError as error:
            logger.error("%s: the record at %d is passed over: %s", hosted.partition.name, record.offset, error)
            return None

    # Requests

    def hosting(self, group_id: str) -> _Hosted | None:
        """Where a group lives; None while `__consumer_offsets` is not there."""
        if not self._hosted:
            return None
        return self._hosted[partition_for(group_id, len(self._hosted))]

    def shard_of(self, group_id: str) -> GroupShard | None:
        """The shard of a group, to look at it; None while `__consumer_offsets` is not there."""
        hosted = self.hosting(group_id)
        return None if hosted is None else hosted.shard

    def groups(self) -> Iterator[ClassicGroup]:
        """Every group of the broker."""
        for hosted in self._hosted:
            yield from hosted.shard.groups.values()

    def join(
        self, hosted: _Hosted, request: JoinGroupRequest, context: RequestContext
    ) -> JoinGroupResponse | Deferred[JoinGroupResponse]:
        """Join a group; the answer may have to wait for the others."""
        deferred: Deferred[JoinGroupResponse] = Deferred()
        effects = hosted.shard.join(request, self._caller(deferred, context), self._new_uuid_text, self._now())
        self._run_for(hosted, request.group_id, effects)
        return deferred if deferred.response is None else deferred.response

    def sync(
        self, hosted: _Hosted, request: SyncGroupRequest, context: RequestContext
    ) -> SyncGroupResponse | Deferred[SyncGroupResponse]:
        """Hand out or receive an assignment; the answer may have to wait for the leader's."""
        deferred: Deferred[SyncGroupResponse] = Deferred()
        effects = hosted.shard.sync(request, self._caller(deferred, context), self._now())
        self._run_for(hosted, request.group_id, effects)
        return deferred if deferred.response is None else deferred.response

    def leave(self, hosted: _Hosted, group_id: str, identities: list[MemberIdentity]) -> list[MemberResponse]:
        """Let members go."""
        responses, effects = hosted.shard.leave(group_id, identities, self._now())
        self._run_for(hosted, group_id, effects)
        return responses

    def write(self, hosted: _Hosted, records: Iterable[GroupRecord]) -> ErrorCode:
        """Append and replay what was decided; NONE, or what the client is told when it cannot be written."""
        try:
            self._append(hosted, tuple(records))
        except AppendError as error:
            logger.error("%s does not take a group's records: %s", hosted.partition.name, error.message)
            return _APPEND_ERRORS.get(error.code, error.code)
        return ErrorCode.NONE

    def now(self) -> Moment:
        """This instant, for the shard's decisions."""
        return self._now()

    # Effects

    def _now(self) -> Moment:
        return Moment(self._clock.monotonic_ms(), self._clock.now_ms())

    def _caller(self, deferred: Deferred[Any], context: RequestContext) -> Caller:
        self._next_waiter += 1
        waiter = self._next_waiter
        self._waiting[waiter] = deferred
        deferred.on_abandon = lambda: self._forget_waiter(waiter)
        # Java prints an address with a slash in front, and so do Kafka's tools.
        host = f"/{context.connection.peer_host}"
        return Caller(waiter, context.api_version, context.client_id or "", host)

    def _forget_waiter(self, waiter: int) -> None:
        """The connection is gone; the member stays until its session ends, as in Kafka."""
        self._waiting.pop(waiter, None)

    def _run_for(self, hosted: _Hosted, group_id: str, effects: list[Effect]) -> None:
        """Carry out the effects of a request to a group, and see that its deadlines are kept."""
        self._run(hosted, effects)
        group = hosted.shard.groups.get(group_id)
        if group is not None:
            self._arm(hosted, group)

    def _run(self, hosted: _Hosted, effects: list[Effect]) -> None:
        pending = deque(effects)
        while pending:
            effect = pending.popleft()
            if isinstance(effect, Reply):
                deferred = self._waiting.pop(effect.waiter, None)
                if deferred is not None:
                    deferred.complete(effect.response)
            else:
                pending.extendleft(reversed(self._carry_out(hosted, effect)))

    def _carry_out(self, hosted: _Hosted, effect: Append) -> list[Effect]:
        try:
            self._append(hosted, effect.records)
        except AppendError as error:
            logger.error("%s does not take a group's records: %s", hosted.partition.name, error.message)
            return effect.refused(error.code)
        return effect.written()

    def _append(self, hosted: _Hosted, records: tuple[GroupRecord, ...]) -> None:
        if not records:
            return
        partition = hosted.partition
        now_ms = self._clock.now_ms()
        base_offset = partition.log.log_end_offset
        batch = build_batch(
            [Record(base_offset + i, now_ms, *encode_record(record)) for i, record in enumerate(records)],
            base_offset=base_offset,
        )
        appended = partition.append(memoryview(batch), now_ms=now_ms, origin=AppendOrigin.COORDINATOR)
        for i, record in enumerate(records):
            hosted.shard.replay(record, appended.base_offset + i)

    # Time

    def _arm(self, hosted: _Hosted, group: ClassicGroup) -> None:
        """See that the group is looked at by its next deadline; an earlier look does no harm."""
        deadline_ms = group.next_deadline_ms
        if deadline_ms is None:
            return
        timer = hosted.timers.get(group.group_id)
        if timer is not None:
            if timer.deadline_ms <= deadline_ms:
                return
            timer.handle.cancel()
        handle = self._timers.schedule(deadline_ms, lambda: self._expire(hosted, group))
        hosted.timers[group.group_id] = _GroupTimer(deadline_ms, handle)

    def _expire(self, hosted: _Hosted, group: ClassicGroup) -> None:
        hosted.timers.pop(group.group_id, None)
        if hosted.shard.groups.get(group.group_id) is not group:
            return
        now = self._now()
        # One look stops at the first record that must be written; what is due behind it comes with the next.
        while group.next_deadline_ms is not None and group.next_deadline_ms <= now.monotonic_ms:
            self._run(hosted, group.expire(now))
        self._arm(hosted, group)

    def _schedule_clean_up(self) -> None:
        deadline_ms = self._clock.monotonic_ms() + self._settings.offsets_check_interval_ms
        self._clean_up_timer = self._timers.schedule(deadline_ms, self._clean_up)

    def _clean_up(self) -> None:
        now = self._now()
        for hosted in self._hosted:
            self._run(hosted, hosted.shard.clean_up(now))
        self._schedule_clean_up()


def partition_for(group_id: str, partition_count: int) -> int:
    """The partition of `__consumer_offsets` that keeps a group: Java's string hash, made positive, as Kafka does."""
    value = 0
    units = group_id.encode("utf-16-be")
    for at in range(0, len(units), 2):
        value = (31 * value + (units[at] << 8 | units[at + 1])) & 0xFFFFFFFF
    signed = value - (1 << 32) if value >= 1 << 31 else value
    return (0 if signed == -(1 << 31) else abs(signed)) % partition_count
