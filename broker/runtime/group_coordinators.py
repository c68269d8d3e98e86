"""Runs the group shards over the partitions of `__consumer_offsets`.

A decision's records are appended as one batch, replayed, and only then is anybody answered: what a client was told is
in the log. An append either is there at once or fails, so a request is decided, written and answered within one call;
where `flush.messages` asks for the disk, the answers alone wait for it.
Each group has one timer for its earliest deadline. Kafka: `CoordinatorRuntime`, `GroupCoordinatorService`.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ...protocol.errors import ErrorCode, ProtocolError
from ...storage.append import AppendError
from ..coordinators.classic_group import ClassicGroup
from ..coordinators.group_effects import Append, Moment, Reply, append_error
from ..coordinators.group_offsets import NO_PRODUCER_ID
from ..coordinators.group_records import CACHED_CHARS_MAX
from ..coordinators.group_shard import GroupShard
from ..coordinators.group_topics import GroupTopics
from ..coordinators.offset_commits import check_commit
from ..coordinators.transaction_init import ProducerIdAndEpoch
from ..metadata.cluster_metadata import MetadataListener
from ..metadata.topic_names import GROUP_METADATA_TOPIC
from ..request import Deferred
from .coordinator_partitions import cached_partition, partition_for
from .group_log import GroupLog, LoggedMarker
from .group_waiters import GroupWaiters, client_host

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ...protocol.messages.consumer_group_heartbeat import (
        ConsumerGroupHeartbeatRequest,
        ConsumerGroupHeartbeatResponse,
    )
    from ...protocol.messages.heartbeat import HeartbeatRequest
    from ...protocol.messages.join_group import JoinGroupRequest, JoinGroupResponse
    from ...protocol.messages.leave_group import MemberIdentity, MemberResponse
    from ...protocol.messages.offset_commit import OffsetCommitRequest
    from ...protocol.messages.sync_group import SyncGroupRequest, SyncGroupResponse
    from ...protocol.messages.txn_offset_commit import TxnOffsetCommitRequest
    from ..clock import Clock
    from ..config.broker_config import BrokerConfig
    from ..coordinators.consumer_settings import GroupIntervals
    from ..coordinators.group_context import Group
    from ..coordinators.group_effects import Caller, Effect
    from ..coordinators.group_records import GroupRecord
    from ..coordinators.group_settings import GroupSettings
    from ..coordinators.offset_commits import OffsetToCommit
    from ..coordinators.repeated_offset import RepeatedOffset
    from ..metadata.partition_image import TopicImage
    from ..request import RequestContext
    from .commit_barrier import CommitBarrier
    from .group_configs import GroupConfigs
    from .partitions import Partition, Partitions
    from .timers import TimerHandle, Timers

logger = logging.getLogger(__name__)

# To look a member up in its enum takes 0.1 µs, and each request asks several times.
_NONE: Final = ErrorCode.NONE
# What a NamedTuple's own constructor ends in: 0.2 µs less for each request.
_new_tuple = tuple.__new__


class _GroupTimer(NamedTuple):
    deadline_ms: int
    handle: TimerHandle


class HostedShard(NamedTuple):
    """A shard, the log that it lives in, and the timers of its groups."""

    shard: GroupShard
    log: GroupLog
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
        configs: GroupConfigs,
        new_uuid_text: Callable[[], str],
        commits: CommitBarrier,
    ) -> None:
        self._partitions = partitions
        self._clock = clock
        self._timers = timers
        self._settings = settings
        self._configs = configs
        self._topics = GroupTopics(configs.image)
        self._new_uuid_text = new_uuid_text
        self._commits = commits
        self._hosted: list[HostedShard] = []
        self._unreadable: set[int] = set()
        self._waiters = GroupWaiters()
        self._clean_up_timer: TimerHandle | None = None

    # Life

    def start(self) -> None:
        """Bring back every group that the log knows, and begin to expire offsets."""
        self._host_new_partitions()
        self._schedule_clean_up()

    def stop(self) -> None:
        """Give all groups up: who waits is told to look for the coordinator again."""
        if self._clean_up_timer is not None:
            self._clean_up_timer.cancel()
        self._unload()

    def topic_created(self, topic: TopicImage) -> None:
        """Host the shards of `__consumer_offsets` when it comes to be; let groups see any other topic."""
        if topic.name == GROUP_METADATA_TOPIC:
            self._host_new_partitions()
        self._topics.note_change(topic.name, is_new=True)

    def partitions_added(self, topic: TopicImage, first_index: int) -> None:
        """Let the groups that read the topic look again."""
        self._topics.note_change(topic.name)

    def topic_deleted(self, topic: TopicImage) -> None:
        """Forget how far a deleted topic was read, or all groups with their own topic."""
        if topic.name == GROUP_METADATA_TOPIC:
            self._unload()
            return
        self._topics.note_change(topic.name)
        for hosted in self._hosted:
            self._run(hosted, hosted.shard.delete_topic_offsets(topic.name, topic.topic_id))

    def config_changed(self, resource_type: int, name: str) -> None:
        """Take over what was set on a group."""
        self._configs.config_changed(resource_type, name)

    def follow_config(self, config: BrokerConfig) -> None:
        """Take over what was set on the broker."""
        self._configs.follow(config)

    def topic_returned(self, topic: str) -> None:
        """Host what could not be hosted while a partition was off line."""
        if topic == GROUP_METADATA_TOPIC:
            self._host_new_partitions()

    def _host_new_partitions(self) -> None:
        if self._partitions.is_partly_offline(GROUP_METADATA_TOPIC):
            # Which partition keeps a group depends on how many there are: all or none.
            logger.error("no group is served, since a partition of %s is off line", GROUP_METADATA_TOPIC)
            return
        while (partition := self._partitions.get(GROUP_METADATA_TOPIC, len(self._hosted))) is not None:
            hosted = self._empty_shard(partition)
            try:
                self._load(hosted)
            except (OSError, ProtocolError) as error:
                logger.error("%s: its groups are not served, since they cannot be read: %s", partition.name, error)
                self._unreadable.add(len(self._hosted))
                hosted = self._empty_shard(partition)
            self._hosted.append(hosted)

    def _empty_shard(self, partition: Partition) -> HostedShard:
        shard = GroupShard(self._settings, self._configs.consumer, self._topics)
        return HostedShard(shard, GroupLog(partition, self._commits), {})

    def _unload(self) -> None:
        hosted_before, self._hosted = self._hosted, []
        self._unreadable.clear()
        for hosted in hosted_before:
            for timer in hosted.timers.values():
                timer.handle.cancel()
            hosted.timers.clear()
            self._run(hosted, hosted.shard.unload(self._now()))

    def _load(self, hosted: HostedShard) -> None:
        count = self._replay(hosted)
        if count:
            logger.info("%s: %d groups from %d records", hosted.log.partition.name, len(hosted.shard.groups), count)
        self._run(hosted, hosted.shard.resume(self._now()))
        for group in hosted.shard.groups.values():
            self._arm(hosted, group)

    @staticmethod
    def _replay(hosted: HostedShard) -> int:
        """Bring a shard to where its log is; return how many records that took."""
        count = 0
        for logged in hosted.log.read_all():
            if isinstance(logged, LoggedMarker):
                hosted.shard.end_transaction(logged.producer_id, is_commit=logged.is_commit)
            else:
                hosted.shard.replay(logged.record, logged.offset, logged.producer_id)
            count += 1
        return count

    # Looking

    @property
    def serves_consumer_groups(self) -> bool:
        """Whether groups of the next-generation protocol are served."""
        return self._configs.serves_consumer_groups

    def shard_of(self, group_id: str) -> GroupShard | None:
        """The shard of a group, to look at it; None while `__consumer_offsets` is not there."""
        hosted = self.hosting(group_id)
        return None if hosted is None else hosted.shard

    def groups(self) -> Iterator[Group]:
        """Every group of the broker."""
        for hosted in self._hosted:
            yield from hosted.shard.groups.values()

    def hosting(self, group_id: str) -> HostedShard | None:
        """Where a group lives; None while `__consumer_offsets` is not there, or where its partition cannot be read."""
        hosted = self._hosted
        if not hosted:
            return None
        # What `partition_for` does first, without its call: each request asks.
        find = cached_partition if len(group_id) <= CACHED_CHARS_MAX else partition_for
        index = find(group_id, len(hosted))
        return None if index in self._unreadable else hosted[index]

    # Requests to the group that lives in a shard

    def consumer_heartbeat(
        self, hosted: HostedShard, request: ConsumerGroupHeartbeatRequest, context: RequestContext
    ) -> ConsumerGroupHeartbeatResponse | Deferred[ConsumerGroupHeartbeatResponse]:
        """Join, stay in or leave a consumer group; most answers are there at once."""
        caller = self._waiters.new_caller(context)
        outcome = hosted.shard.consumer_heartbeat(request, caller, self._new_uuid_text, self._now())
        if not isinstance(outcome, list):
            self._arm_group(hosted, request.group_id)
            return outcome
        deferred: Deferred[ConsumerGroupHeartbeatResponse] = Deferred()
        self._waiters.park(caller.waiter, deferred, context)
        self._run_for(hosted, request.group_id, outcome)
        return deferred if deferred.response is None else deferred.response

    def quiet_heartbeat(
        self, hosted: HostedShard, request: ConsumerGroupHeartbeatRequest, client_id: str | None, peer_host: str
    ) -> GroupIntervals | None:
        """Stay in a consumer group that has no news, as `consumer_heartbeat` does; None, and nothing done, otherwise.

        The request says nothing, and `consumer_request.check` lets it through.
        """
        intervals = hosted.shard.quiet_heartbeat(request, client_id or "", client_host(peer_host), self._now())
        if intervals is not None:
            self._arm_group(hosted, request.group_id)
        return intervals

    def join(
        self, hosted: HostedShard, request: JoinGroupRequest, context: RequestContext
    ) -> JoinGroupResponse | Deferred[JoinGroupResponse]:
        """Join a group; the answer may have to wait for the others."""
        deferred: Deferred[JoinGroupResponse] = Deferred()
        effects = hosted.shard.join(request, self._caller(deferred, context), self._new_uuid_text, self._now())
        self._run_for(hosted, request.group_id, effects)
        return deferred if deferred.response is None else deferred.response

    def sync(
        self, hosted: HostedShard, request: SyncGroupRequest, context: RequestContext
    ) -> SyncGroupResponse | Deferred[SyncGroupResponse]:
        """Hand out or receive an assignment; the answer may have to wait for the leader's."""
        deferred: Deferred[SyncGroupResponse] = Deferred()
        effects = hosted.shard.sync(request, self._caller(deferred, context), self._now())
        self._run_for(hosted, request.group_id, effects)
        return deferred if deferred.response is None else deferred.response

    def heartbeat(self, hosted: HostedShard, request: HeartbeatRequest) -> ErrorCode:
        """Extend a member's session."""
        code = hosted.shard.heartbeat(request, self._now())
        self._arm_group(hosted, request.group_id)
        return code

    def leave(self, hosted: HostedShard, group_id: str, identities: list[MemberIdentity]) -> list[MemberResponse]:
        """Let members go."""
        responses, effects = hosted.shard.leave(group_id, identities, self._now())
        self._run_for(hosted, group_id, effects)
        return responses

    def commit(
        self, hosted: HostedShard, request: OffsetCommitRequest, commits: list[OffsetToCommit], api_version: int
    ) -> ErrorCode:
        """Keep offsets of partitions that exist; without any, only ask whether the group would take them."""
        now = self._now()
        code, records = hosted.shard.commit(request, commits, api_version, now)
        self._arm_group(hosted, request.group_id)
        return code or append_error(self._append(hosted, records, now.wall_ms))

    def commit_again(
        self,
        hosted: HostedShard,
        request: OffsetCommitRequest,
        repeated: RepeatedOffset,
        offset: int,
        api_version: int,
    ) -> ErrorCode:
        """Do what `commit` does with one offset of which `repeated` has the record, where the log commits at once.

        Of 11 µs it leaves 7: nothing is built but the bytes for the log and what is kept of them in memory.
        """
        now = self._now()
        group = hosted.shard.groups.get(request.group_id)
        code = check_commit(group, request, (repeated,), api_version, now)
        if type(group) is ClassicGroup:  # to a consumer group a commit is no sign of life
            self._arm(hosted, group)
        if code:
            return code
        batch, header = repeated.batch(offset, now.wall_ms)
        try:
            appended = hosted.log.partition.append_built(batch, header, now.wall_ms)
        except AppendError as error:
            return append_error(_unwritten(hosted, error))
        hosted.shard.replay_again(repeated, offset, now.wall_ms, appended.base_offset)
        return _NONE

    def commit_in_transaction(
        self, hosted: HostedShard, request: TxnOffsetCommitRequest, commits: list[OffsetToCommit]
    ) -> ErrorCode:
        """Keep offsets of partitions that exist for when the producer's transaction is committed."""
        now = self._now()
        decision = hosted.shard.commit_in_transaction(request, commits, now)
        producer = ProducerIdAndEpoch(request.producer_id, request.producer_epoch)
        return decision.code or append_error(self._append(hosted, decision.records, now.wall_ms, producer))

    def end_transaction(self, partition_index: int, producer_id: int, *, is_commit: bool) -> None:
        """A marker was written to a partition of `__consumer_offsets`: its pending offsets hold now, or never will.

        A partition that is not hosted now reads the marker from its log when it is.
        """
        if partition_index < len(self._hosted):
            self._hosted[partition_index].shard.end_transaction(producer_id, is_commit=is_commit)

    def write(self, hosted: HostedShard, records: tuple[GroupRecord, ...]) -> ErrorCode:
        """Append and replay what was decided; NONE, or what the client is told when it cannot be written."""
        return append_error(self._append(hosted, records, self._clock.now_ms()))

    # Effects

    def _now(self) -> Moment:
        return _new_tuple(Moment, self._clock.both_ms())

    def _caller(self, deferred: Deferred[Any], context: RequestContext) -> Caller:
        caller = self._waiters.new_caller(context)
        self._waiters.park(caller.waiter, deferred, context)
        return caller

    def _run_for(self, hosted: HostedShard, group_id: str, effects: list[Effect]) -> None:
        """Carry out the effects of a request to a group, and see that its deadlines are kept."""
        self._run(hosted, effects)
        self._arm_group(hosted, group_id)

    def _run(self, hosted: HostedShard, effects: list[Effect]) -> None:
        """Write all there is to write, then answer: an answer may bring its client's next request at once."""
        pending = deque(effects)
        replies = []
        while pending:
            effect = pending.popleft()
            if isinstance(effect, Reply):
                replies.append(effect)
            else:
                pending.extendleft(reversed(self._carry_out(hosted, effect)))
        if replies:
            self._answer_when_committed(hosted.log, replies)

    def _answer_when_committed(self, log: GroupLog, replies: list[Reply]) -> None:
        if log.is_committed:
            for reply in replies:
                self._waiters.answer(reply)
            return

        def told(error: OSError | None) -> None:
            for reply in replies:
                self._waiters.answer(reply if error is None else _refusal_instead(reply))

        log.when_committed(told)

    def _carry_out(self, hosted: HostedShard, effect: Append) -> list[Effect]:
        code = self._append(hosted, effect.records, self._clock.now_ms())
        return effect.written() if code is ErrorCode.NONE else effect.refused(code)

    def _append(
        self,
        hosted: HostedShard,
        records: tuple[GroupRecord, ...],
        now_ms: int,
        producer: ProducerIdAndEpoch | None = None,
    ) -> ErrorCode:
        if not records:
            return _NONE
        try:
            base_offset = hosted.log.append(records, now_ms, producer)
        except AppendError as error:
            return _unwritten(hosted, error)
        producer_id = NO_PRODUCER_ID if producer is None else producer.producer_id
        for offset, record in enumerate(records, base_offset):
            hosted.shard.replay(record, offset, producer_id)
        return _NONE

    # Time

    def _arm_group(self, hosted: HostedShard, group_id: str) -> None:
        group = hosted.shard.groups.get(group_id)
        if group is not None:
            self._arm(hosted, group)

    def _arm(self, hosted: HostedShard, group: Group) -> None:
        """See that the group is looked at by its next deadline; an earlier look does no harm."""
        deadline_ms = group.next_deadline_ms
        if deadline_ms is None:
            return
        timer = hosted.timers.get(group.group_id)
        if timer is not None:
            if timer.deadline_ms <= deadline_ms:
                return
            timer.handle.cancel()
        handle = self._timers.schedule(deadline_ms, lambda: self._expire(hosted, group.group_id))
        hosted.timers[group.group_id] = _GroupTimer(deadline_ms, handle)

    def _expire(self, hosted: HostedShard, group_id: str) -> None:
        hosted.timers.pop(group_id, None)
        self._run(hosted, hosted.shard.expire(group_id, self._now()))
        # What is still due, behind a record that had to be written first, comes with the next round of timers.
        self._arm_group(hosted, group_id)

    def _schedule_clean_up(self) -> None:
        deadline_ms = self._clock.monotonic_ms() + self._settings.offsets_check_interval_ms
        self._clean_up_timer = self._timers.schedule(deadline_ms, self._clean_up)

    def _clean_up(self) -> None:
        now = self._now()
        for hosted in self._hosted:
            self._run(hosted, hosted.shard.clean_up(now))
        self._schedule_clean_up()


def _unwritten(hosted: HostedShard, error: AppendError) -> ErrorCode:
    logger.error("%s does not take a group's records: %s", hosted.log.partition.name, error.message)
    return error.code


def _refusal_instead(reply: Reply) -> Reply:
    """What is answered when the disk did not take what the reply tells."""
    code = append_error(ErrorCode.KAFKA_STORAGE_ERROR)
    return Reply(reply.waiter, type(reply.response)(error_code=code))
