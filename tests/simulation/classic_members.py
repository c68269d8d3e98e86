"""Consumers of the classic protocol that read, commit, fall asleep and come back, and the invariants of their group.

A partition never has two owners in one generation, an acknowledged offset never goes back, who is late with what it has
to say of an older generation is refused, and who shows in time that it lives is never put out.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.find_coordinator import FindCoordinatorRequest, FindCoordinatorResponse
from ottla.protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from ottla.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse
from ottla.protocol.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse, MemberIdentity
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
from ottla.protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse

from .network import Client, ConnectionLostError
from .topics import insist

if TYPE_CHECKING:
    from .world import World

SESSION_MS = 10_000
HEARTBEAT_S = 3.0


class Ledger:
    """What a group's members were told, all of them together."""

    def __init__(self) -> None:
        self.owners: dict[tuple[int, int], str] = {}
        """(generation, partition) to the member that was given it."""
        self.committed: dict[int, int] = {}
        """The largest acknowledged offset of each partition."""
        self.rebalances = 0

    def own(self, generation: int, partition: int, member_id: str) -> None:
        other = self.owners.setdefault((generation, partition), member_id)
        assert other == member_id, f"partition {partition} has two owners in generation {generation}"

    def commit(self, partition: int, offset: int) -> None:
        self.committed[partition] = max(self.committed.get(partition, -1), offset)

    def check_fetched(self, partition: int, offset: int, known_before: int) -> None:
        assert offset >= known_before, f"partition {partition} went back to {offset} from {known_before}"


class ClassicMember:
    """One consumer of a group; `range` is assigned by whoever leads it."""

    def __init__(self, world: World, name: str, group: str, topic: str, partitions: int, ledger: Ledger) -> None:
        self.name = name
        self.generation = -1
        self.owned: list[int] = []
        self._world = world
        self._group = group
        self._topic = topic
        self._partitions = partitions
        self._ledger = ledger
        self._client = Client(world, name)
        self._late_client = Client(world, f"{name}-late")
        self._member_id = ""
        self._seen_s = 0.0
        """When it sent the last request that was answered as from a member of this generation."""
        self._positions: dict[int, int] = {}
        self._is_over = False

    def end(self) -> None:
        """Leave when it is convenient."""
        self._is_over = True

    async def run(self) -> None:
        while not self._is_over:
            try:
                if await self._join():
                    await self._live()
            except ConnectionLostError:
                await self._world.soon(0.5)
        await self._leave()

    # Joining

    async def _join(self) -> bool:
        self.owned = []
        keys = FindCoordinatorRequest(key_type=0, coordinator_keys=[self._group])
        await self._client.ask(keys, FindCoordinatorResponse, 4)
        joined = await self._ask_join()
        if joined.error_code == ErrorCode.MEMBER_ID_REQUIRED:
            self._member_id = joined.member_id
            return False
        if joined.error_code:
            self._lost_place(joined.error_code)
            await self._world.soon(0.5)
            return False
        self._member_id, self.generation = joined.member_id, joined.generation_id
        assignments = self._assign(joined) if joined.leader == joined.member_id else []
        request = SyncGroupRequest(
            group_id=self._group,
            generation_id=self.generation,
            member_id=self._member_id,
            protocol_type="consumer",
            protocol_name="range",
            assignments=assignments,
        )
        asked_s = self._world.loop.time()
        synced = await self._client.ask(request, SyncGroupResponse, 5)
        if synced.error_code:
            self._lost_place(synced.error_code)
            return False
        self._seen_s = asked_s
        self.owned = list(synced.assignment)
        for partition in self.owned:
            self._ledger.own(self.generation, partition, self._member_id)
        await self._fetch_positions()
        if self._world.chance.random() < 0.3:
            await self._speak_of_the_generation_before()
        return True

    async def _ask_join(self) -> Any:
        request = JoinGroupRequest(
            group_id=self._group,
            session_timeout_ms=SESSION_MS,
            rebalance_timeout_ms=30_000,
            member_id=self._member_id,
            protocol_type="consumer",
            protocols=[JoinGroupRequestProtocol(name="range", metadata=b"")],
        )
        return await self._client.ask(request, JoinGroupResponse, 7)

    def _assign(self, joined: Any) -> list[SyncGroupRequestAssignment]:
        """Bytes of partition numbers: the broker does not look into an assignment."""
        self._ledger.rebalances += 1
        members = sorted(member.member_id for member in joined.members)
        given: dict[str, list[int]] = {member: [] for member in members}
        for partition in range(self._partitions):
            given[members[partition % len(members)]].append(partition)
        return [SyncGroupRequestAssignment(member_id=m, assignment=bytes(p)) for m, p in given.items()]

    async def _speak_of_the_generation_before(self) -> None:
        """What was on its way when the generation ended arrives now, and must be refused: the new one is on record."""
        before = self.generation - 1
        commit = self._commit_request(before, dict.fromkeys(self.owned, 0))
        if self.owned:
            answer = await self._late_client.ask(commit, OffsetCommitResponse, 8)
            codes = {result.error_code for result in answer.topics[0].partitions}
            assert ErrorCode.NONE not in codes, f"a commit of generation {before} was taken after the next had begun"
        sync = SyncGroupRequest(group_id=self._group, generation_id=before, member_id=self._member_id)
        sync.protocol_type, sync.protocol_name = "consumer", "range"
        synced = await self._late_client.ask(sync, SyncGroupResponse, 5)
        assert synced.error_code, f"a SyncGroup of generation {before} was taken after the next had begun"

    def _check_time_is_up(self, code: int) -> None:
        """Nobody is put out before its session ends, and until then it was told that it is in."""
        if code == ErrorCode.UNKNOWN_MEMBER_ID:
            silent_s = self._world.loop.time() - self._seen_s
            assert silent_s >= SESSION_MS / 1000, f"{self.name} was put out {silent_s:.2f} s after it was heard"

    def _lost_place(self, code: int) -> None:
        if code in (ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.FENCED_INSTANCE_ID):
            self._member_id = ""

    # Reading and committing

    async def _live(self) -> None:
        while not self._is_over:
            await asyncio.sleep(HEARTBEAT_S * (0.5 + self._world.chance.random() / 2))
            if self._world.accident(0.03):
                await asyncio.sleep(SESSION_MS / 1000 * 2)  # too long: the group goes on without it
                if self.owned and self._world.chance.random() < 0.7 and await self._commit():
                    return
            if self._world.accident(0.02):
                self._member_id = ""  # killed, and started again: the group has to find out by itself
                return
            request = HeartbeatRequest(group_id=self._group, generation_id=self.generation, member_id=self._member_id)
            asked_s = self._world.loop.time()
            beat = await self._client.ask(request, HeartbeatResponse, 4)
            self._check_time_is_up(beat.error_code)
            if not beat.error_code:
                self._seen_s = asked_s
            if beat.error_code and beat.error_code != ErrorCode.REBALANCE_IN_PROGRESS:
                self._lost_place(beat.error_code)
            if self.owned and await self._commit():
                return
            if beat.error_code:
                return

    async def _fetch_positions(self) -> None:
        known = {partition: self._ledger.committed.get(partition, -1) for partition in self.owned}
        topic = OffsetFetchRequestTopics(name=self._topic, partition_indexes=self.owned)
        group = OffsetFetchRequestGroup(group_id=self._group, topics=[topic] if self.owned else [])
        answer = await insist(self._world, self._client, OffsetFetchRequest(groups=[group]), OffsetFetchResponse, 8)
        assert answer.groups[0].error_code in (0, ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)
        for found in answer.groups[0].topics:
            for partition in found.partitions:
                index = partition.partition_index
                self._ledger.check_fetched(index, partition.committed_offset, known[index])
                self._positions[index] = max(partition.committed_offset, 0)

    async def _commit(self) -> bool:
        """Commit a bit further; says whether this member has lost its place."""
        offsets = {}
        for partition in self.owned:
            offsets[partition] = self._positions[partition] + self._world.chance.randint(1, 5)
        answer = await self._client.ask(self._commit_request(self.generation, offsets), OffsetCommitResponse, 8)
        for result in answer.topics[0].partitions:
            if result.error_code:
                self._lost_place(result.error_code)
                return True
            self._positions[result.partition_index] = offsets[result.partition_index]
            self._ledger.commit(result.partition_index, offsets[result.partition_index])
        self._world.good_moment()
        return False

    def _commit_request(self, generation: int, offsets: dict[int, int]) -> OffsetCommitRequest:
        partitions = [OffsetCommitRequestPartition(partition_index=p, committed_offset=o) for p, o in offsets.items()]
        return OffsetCommitRequest(
            group_id=self._group,
            generation_id_or_member_epoch=generation,
            member_id=self._member_id,
            topics=[OffsetCommitRequestTopic(name=self._topic, partitions=partitions)],
        )

    async def _leave(self) -> None:
        identity = MemberIdentity(member_id=self._member_id)
        request = LeaveGroupRequest(group_id=self._group, members=[identity])
        if self._member_id:
            await insist(self._world, self._client, request, LeaveGroupResponse, 4)


async def check_group(members: list[ClassicMember], partitions: int) -> None:
    """Once nothing befalls the broker any more, a group of all members owns everything, once."""
    for _ in range(200):
        await asyncio.sleep(1.0)
        owned = sorted(partition for member in members for partition in member.owned)
        generations = {member.generation for member in members}
        if owned == list(range(partitions)) and len(generations) == 1:
            return
    told = [(member.name, member.generation, member.owned) for member in members]
    raise AssertionError(f"the group did not become stable: {told}")
