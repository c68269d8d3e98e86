"""Consumers of the next-generation protocol (KIP-848) and the invariant of their group.

A partition is never given to a member while another one has it whose session goes on, an acknowledged offset never goes
back, and who is out of the group, or speaks of an epoch before it was given a partition, commits nothing.
"""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
    TopicPartitions,
)
from ottla.protocol.messages.find_coordinator import FindCoordinatorRequest, FindCoordinatorResponse
from ottla.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
)
from ottla.protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
    OffsetFetchResponse,
)

from .network import Client, ConnectionLostError

if TYPE_CHECKING:
    from .world import World

SESSION_S = 10.0
HEARTBEAT_S = 3.0
GIVING_UP_S_MAX = 4.0


class Grants:
    """Who was given which partition last; what was committed."""

    def __init__(self) -> None:
        self._owners: dict[int, ConsumerMember] = {}
        self.owner_ids: dict[int, str] = {}
        """The member id that was told last that the partition is its own."""
        self.committed: dict[int, int] = {}

    def given(self, partition: int, member: ConsumerMember, now_s: float) -> None:
        """A member hears that a partition is its own; whoever had it must have given it up, or be out of its time."""
        before = self._owners.get(partition)
        if before is not None and before is not member and partition in before.owned:
            assert before.heard_s < now_s - SESSION_S, (
                f"{partition} was given to {member.name} at {now_s:.2f} s while {before.name} had it, who was last "
                f"heard at {before.heard_s:.2f} s"
            )
        self._owners[partition] = member
        self.owner_ids[partition] = member.member_id

    def commit(self, partition: int, offset: int) -> None:
        self.committed[partition] = max(self.committed.get(partition, -1), offset)


class FormerSelf(NamedTuple):
    """Who a member was before it lost its place, and what it had."""

    member_id: str
    epoch: int
    owned: list[int]


class ConsumerMember:
    """One consumer; whoever lost its place joins again with a new id."""

    def __init__(self, world: World, name: str, group: str, topic: str, topic_id: bytes, grants: Grants) -> None:
        self.name = name
        self.owned: list[int] = []
        self._world = world
        self._group = group
        self._topic = topic
        self._topic_id = topic_id
        self._grants = grants
        self._client = Client(world, name)
        self.heard_s = 0.0
        """When it sent the last heartbeat that was answered."""
        self._positions: dict[int, int] = {}
        self._is_over = False
        self.member_id = ""
        self.epoch = 0
        self._doubts = False
        """Whether the broker may have died since the last commit: then the group is asked what it kept."""
        self._former: FormerSelf | None = None
        self._begin_anew()

    def end(self) -> None:
        """Leave when it is convenient."""
        self._is_over = True

    def _begin_anew(self) -> None:
        if self.epoch and self.owned:
            self._former = FormerSelf(self.member_id, self.epoch, self.owned)
        self.member_id = str(uuid.UUID(int=self._world.chance.getrandbits(128)))
        self.epoch = 0
        self.owned = []
        self._tells_owned = True

    async def run(self) -> None:
        while not self._is_over:
            try:
                await self._beat()
                if self._doubts and self.owned:
                    await self._fetch_positions(self.owned)
                self._doubts = False
                if self.owned:
                    await self._commit()
                if self._former is not None and self._world.chance.random() < 0.5:
                    await self._commit_as_before(self._former)
            except ConnectionLostError:
                # What the lost answer said comes again when everything is told in full.
                self._tells_owned = True
                self._doubts = True
            await asyncio.sleep(HEARTBEAT_S * (0.5 + self._world.chance.random() / 2))
            if self._world.accident(0.03):
                await asyncio.sleep(SESSION_S * 2)  # too long: the group goes on without it
            if self._world.accident(0.02):
                self._begin_anew()  # killed, and started again: the group has to find out by itself
        await self._leave()

    async def _beat(self) -> None:
        if not self.epoch:
            keys = FindCoordinatorRequest(key_type=0, coordinator_keys=[self._group])
            await self._client.ask(keys, FindCoordinatorResponse, 4)
        asked_s = self._world.loop.time()
        answer = await self._client.ask(self._heartbeat(), ConsumerGroupHeartbeatResponse, 1)
        if answer.error_code in (ErrorCode.FENCED_MEMBER_EPOCH, ErrorCode.UNKNOWN_MEMBER_ID):
            if answer.error_code == ErrorCode.UNKNOWN_MEMBER_ID:
                self._check_time_is_up()
            self._begin_anew()
        elif answer.error_code in (ErrorCode.COORDINATOR_NOT_AVAILABLE, ErrorCode.NOT_COORDINATOR):
            self._tells_owned = True
        else:
            assert answer.error_code == 0, (ErrorCode(answer.error_code).name, answer.error_message)
            self.heard_s = asked_s
            await self._take(answer)

    def _heartbeat(self) -> ConsumerGroupHeartbeatRequest:
        request = ConsumerGroupHeartbeatRequest(group_id=self._group, member_id=self.member_id, member_epoch=self.epoch)
        if not self.epoch or self._tells_owned:
            owned = [TopicPartitions(topic_id=self._topic_id, partitions=self.owned)] if self.owned else []
            request.topic_partitions = owned
            request.subscribed_topic_names = [self._topic]
            request.rebalance_timeout_ms = 30_000
        return request

    async def _take(self, answer: Any) -> None:
        epoch_before, self.epoch = self.epoch, answer.member_epoch
        self._tells_owned = False
        if answer.assignment is None:
            return
        wanted = [index for topic in answer.assignment.topic_partitions for index in topic.partitions]
        kept = [index for index in self.owned if index in wanted]
        if kept != self.owned:
            await self._world.soon(GIVING_UP_S_MAX)  # the application finishes what it had begun
        added = [index for index in wanted if index not in kept]
        self._tells_owned = bool(added) or kept != self.owned  # tell what was given up, and what was taken
        self.owned = kept
        for index in added:
            self._grants.given(index, self, self._world.loop.time())
        await self._fetch_positions(added)
        self.owned = kept + added
        if added and epoch_before > 1 and self._world.chance.random() < 0.5:
            await self._commit_too_early(added, epoch_before - 1)

    async def _fetch_positions(self, added: list[int]) -> None:
        if not added:
            return
        known = {index: self._grants.committed.get(index, -1) for index in added}
        group = OffsetFetchRequestGroup(
            group_id=self._group,
            member_id=self.member_id,
            member_epoch=self.epoch,
            topics=[OffsetFetchRequestTopics(name=self._topic, partition_indexes=added)],
        )
        answer = await self._client.ask(OffsetFetchRequest(groups=[group]), OffsetFetchResponse, 9)
        if answer.groups[0].error_code:
            raise ConnectionLostError  # as good as lost: the next heartbeat tells why
        for partition in answer.groups[0].topics[0].partitions:
            index, offset = partition.partition_index, partition.committed_offset
            assert offset >= known[index], f"partition {index} went back to {offset} from {known[index]}"
            self._positions[index] = max(offset, 0)

    async def _commit(self) -> None:
        offsets = {index: self._positions[index] + self._world.chance.randint(1, 5) for index in self.owned}
        request = self._commit_request(self.member_id, self.epoch, offsets)
        answer = await self._client.ask(request, OffsetCommitResponse, 9)
        for result in answer.topics[0].partitions:
            if not result.error_code:
                self._positions[result.partition_index] = offsets[result.partition_index]
                self._grants.commit(result.partition_index, offsets[result.partition_index])
        self._world.good_moment()

    def _commit_request(self, member_id: str, epoch: int, offsets: dict[int, int]) -> OffsetCommitRequest:
        partitions = [OffsetCommitRequestPartition(partition_index=p, committed_offset=o) for p, o in offsets.items()]
        return OffsetCommitRequest(
            group_id=self._group,
            generation_id_or_member_epoch=epoch,
            member_id=member_id,
            topics=[OffsetCommitRequestTopic(name=self._topic, partitions=partitions)],
        )

    async def _commit_as_before(self, former: FormerSelf) -> None:
        """Who was put out commits what others were given meanwhile."""
        lost = [index for index in former.owned if self._grants.owner_ids.get(index) != former.member_id]
        if lost:
            self._former = None
            request = self._commit_request(former.member_id, former.epoch, dict.fromkeys(lost, 0))
            await self._must_be_refused(request, "of a member who is out")

    async def _commit_too_early(self, added: list[int], epoch: int) -> None:
        """A commit of partitions by an epoch in which they were not its own."""
        request = self._commit_request(self.member_id, epoch, dict.fromkeys(added, 0))
        await self._must_be_refused(request, "of an older epoch")

    async def _must_be_refused(self, request: OffsetCommitRequest, whose: str) -> None:
        answer = await self._client.ask(request, OffsetCommitResponse, 9)
        codes = {result.error_code for result in answer.topics[0].partitions}
        assert ErrorCode.NONE not in codes, f"a commit {whose} was taken by {self.name}'s group"

    def _check_time_is_up(self) -> None:
        """Nobody is put out before its session ends."""
        silent_s = self._world.loop.time() - self.heard_s
        assert silent_s >= SESSION_S, f"{self.name} was put out {silent_s:.2f} s after it was heard"

    async def _leave(self) -> None:
        request = ConsumerGroupHeartbeatRequest(group_id=self._group, member_id=self.member_id, member_epoch=-1)
        try:
            await self._client.ask(request, ConsumerGroupHeartbeatResponse, 1)
        except ConnectionLostError:
            return  # its session ends by itself


async def check_consumer_group(members: list[ConsumerMember], partitions: int) -> None:
    """Once nothing befalls the broker any more, all members are in one epoch and own everything, once."""
    for _ in range(200):
        await asyncio.sleep(1.0)
        owned = sorted(partition for member in members for partition in member.owned)
        if owned == list(range(partitions)) and len({member.epoch for member in members}) == 1:
            return
    told = [(member.name, member.epoch, member.owned) for member in members]
    raise AssertionError(f"the group did not become stable: {told}")
