"""Requests to groups, as bytes, to any broker; what comes back is put down without what two brokers never share.

Ids of topics become their names; ids that a broker makes up become letters in the order in which they come. Two
brokers that agree give equal lists.
"""

from __future__ import annotations

from ottla.broker.coordinators.subscription import read_assignment
from ottla.broker.runtime.coordinator_partitions import partition_for
from ottla.protocol.errors import ProtocolError
from ottla.protocol.messages.consumer_group_describe import ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse
from ottla.protocol.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
    TopicPartitions,
)
from ottla.protocol.messages.create_partitions import (
    CreatePartitionsRequest,
    CreatePartitionsResponse,
    CreatePartitionsTopic,
)
from ottla.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest, CreateTopicsResponse
from ottla.protocol.messages.delete_groups import DeleteGroupsRequest, DeleteGroupsResponse
from ottla.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicsResponse, DeleteTopicState
from ottla.protocol.messages.describe_groups import DescribeGroupsRequest, DescribeGroupsResponse
from ottla.protocol.messages.find_coordinator import FindCoordinatorRequest, FindCoordinatorResponse
from ottla.protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from ottla.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse
from ottla.protocol.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse, MemberIdentity
from ottla.protocol.messages.list_groups import ListGroupsRequest, ListGroupsResponse
from ottla.protocol.messages.metadata import MetadataRequest, MetadataResponse
from ottla.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
)
from ottla.protocol.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
    OffsetDeleteResponse,
)
from ottla.protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
    OffsetFetchResponse,
)
from ottla.protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse

from ..harness.raw_client import RawClient

NOT_READY_YET = (14, 15, 16)
OFFSETS_PARTITIONS = 50


def _shard(group: str) -> int:
    return partition_for(group, OFFSETS_PARTITIONS)


class GroupScript:
    """One connection to one broker; `seen` holds the answers."""

    def __init__(self, broker, group: str) -> None:
        self.broker = broker
        self.group = group
        self.listed = (group, "own", "connects", "broken", "made")
        self.client = RawClient(broker)
        self.seen: list[object] = []
        self.names: dict[bytes, str] = {}
        self.ids: dict[str, bytes] = {}
        self.letters: dict[str, str] = {}

    def close(self) -> None:
        self.client.socket.close()

    # ---- topics

    def topic(self, name: str, partitions: int = 1) -> None:
        request = CreateTopicsRequest(
            topics=[CreatableTopic(name=name, num_partitions=partitions, replication_factor=1)], timeout_ms=10_000
        )
        code = self.client.ask(request, CreateTopicsResponse, 7).topics[0].error_code
        assert code in (0, 36), code
        self._await_partitions(name, partitions)

    def grow(self, name: str, partitions: int) -> None:
        request = CreatePartitionsRequest(
            topics=[CreatePartitionsTopic(name=name, count=partitions, assignments=None)], timeout_ms=10_000
        )
        assert self.client.ask(request, CreatePartitionsResponse, 3).results[0].error_code == 0
        self._await_partitions(name, partitions)

    def drop(self, name: str) -> None:
        request = DeleteTopicsRequest(topics=[DeleteTopicState(name=name)], timeout_ms=10_000)
        assert self.client.ask(request, DeleteTopicsResponse, 6).responses[0].error_code == 0
        self._await_partitions(name, 0)

    def _await_partitions(self, topic: str, count: int) -> None:
        """Wait until the topic has so many partitions for the coordinator of the group too: Kafka tells it later."""
        while len(self._metadata().get(topic, ())) != count:
            pass
        while len(self._given_to_a_probe(topic)) != count:
            pass

    def _given_to_a_probe(self, topic: str) -> list[int]:
        """What a member that reads the topic gets, in a group beside the one under test."""
        probe = next(name for name in map(str, range(1_000)) if _shard(name) == _shard(self.group))
        said = {"group_id": f"{probe}", "member_id": "probe", "topic_partitions": [], "server_assignor": "range"}
        request = ConsumerGroupHeartbeatRequest(rebalance_timeout_ms=1, subscribed_topic_names=[topic], **said)
        answer = self.client.ask(request, ConsumerGroupHeartbeatResponse, 1)
        request = ConsumerGroupHeartbeatRequest(group_id=probe, member_id="probe", member_epoch=-1)
        self.client.ask(request, ConsumerGroupHeartbeatResponse, 1)
        self.client.ask(DeleteGroupsRequest(groups_names=[probe]), DeleteGroupsResponse, 2)
        assert answer.error_code == 0, answer
        return [partition for topic in answer.assignment.topic_partitions for partition in topic.partitions]

    def _metadata(self) -> dict[str, list]:
        answer = self.client.ask(MetadataRequest(topics=None), MetadataResponse, 12)
        for topic in answer.topics:
            self.names[topic.topic_id] = topic.name
            self.ids[topic.name] = topic.topic_id
        return {topic.name: topic.partitions for topic in answer.topics}

    def await_coordinator(self) -> None:
        """Ask until the coordinator is there, and knows its groups."""
        group = self.group
        while True:
            found = self.client.ask(
                FindCoordinatorRequest(key_type=0, coordinator_keys=[group]), FindCoordinatorResponse, 4
            )
            probe = HeartbeatRequest(group_id=group, generation_id=1, member_id="probe")
            code = self.client.ask(probe, HeartbeatResponse, 4).error_code
            if found.coordinators[0].error_code == 0 and code not in NOT_READY_YET:
                return

    # ---- what is said, and heard

    def letter(self, made_up: str) -> str:
        return self.letters.setdefault(made_up, f"<{chr(ord('A') + len(self.letters))}>")

    def without_ids(self, message: str | None) -> str | None:
        """The message with letters for ids that the broker made up."""
        for made_up, letter in self.letters.items():
            message = message and message.replace(made_up, letter)
        return message

    def owned(self, owned: dict[str, list[int]] | None):
        if owned is None:
            return None
        return [
            TopicPartitions(topic_id=self.ids.get(name, name.encode()[:16].ljust(16)), partitions=partitions)
            for name, partitions in owned.items()
        ]

    def beat(self, group: str, member: str, epoch: int, *, version: int = 1, owned=None, **said):
        """A ConsumerGroupHeartbeat; returns the answer."""
        request = ConsumerGroupHeartbeatRequest(
            group_id=group, member_id=member, member_epoch=epoch, topic_partitions=self.owned(owned), **said
        )
        answer = self.client.ask(request, ConsumerGroupHeartbeatResponse, version)
        assigned = None
        if answer.assignment is not None:
            assigned = self._assigned(answer.assignment.topic_partitions)
        told = answer.member_id
        if told and (told != member or told in self.letters):
            told = self.letter(told)
        self.seen.append(
            (
                "beat",
                answer.error_code,
                self.without_ids(answer.error_message),
                told,
                answer.member_epoch,
                answer.heartbeat_interval_ms,
                assigned,
            )
        )
        return answer

    def beat_until_assigned(self, group: str, member: str, epoch: int, wanted: frozenset[str] | set[str] = frozenset()):
        """Heartbeats until one brings an assignment with these topics; only that one is put down."""
        while True:
            answer = self.beat(group, member, epoch)
            epoch = answer.member_epoch
            _, code, *_, assigned = self.seen[-1]
            if code or (assigned and wanted <= set(assigned)):
                return
            self.seen.pop()

    def join(self, group: str, member: str, *topics: str, epoch: int = 0, **said):
        said = {"rebalance_timeout_ms": 5_000, "server_assignor": "range", "owned": {}, **said}
        return self.beat(group, member, epoch, subscribed_topic_names=list(topics), **said)

    def _assigned(self, topics) -> dict[str, list[int]]:
        return {self.names[topic.topic_id]: sorted(topic.partitions) for topic in topics}

    def describe(self, *groups: str, version: int = 1, operations: bool = False) -> None:
        request = ConsumerGroupDescribeRequest(group_ids=list(groups), include_authorized_operations=operations)
        answer = self.client.ask(request, ConsumerGroupDescribeResponse, version)
        for group in sorted(answer.groups, key=lambda group: group.group_id):
            members = sorted(
                (
                    self.letters.get(member.member_id, member.member_id),
                    member.instance_id,
                    member.rack_id,
                    member.member_epoch,
                    member.client_id,
                    member.client_host,
                    sorted(member.subscribed_topic_names),
                    member.subscribed_topic_regex,
                    self._named(member.assignment),
                    self._named(member.target_assignment),
                    member.member_type,
                )
                for member in group.members
            )
            self.seen.append(
                (
                    "described",
                    group.error_code,
                    group.error_message,
                    group.group_id,
                    group.group_state,
                    group.group_epoch,
                    group.assignment_epoch,
                    group.assignor_name,
                    members,
                    group.authorized_operations,
                )
            )

    @staticmethod
    def _named(assignment) -> list:
        return sorted((topic.topic_name, sorted(topic.partitions)) for topic in assignment.topic_partitions)

    def describe_classic(self, group: str, version: int = 6) -> None:
        answer = self.client.ask(DescribeGroupsRequest(groups=[group]), DescribeGroupsResponse, version).groups[0]
        self.seen.append(
            (
                "classic",
                answer.error_code,
                answer.error_message,
                answer.group_state,
                answer.protocol_type,
                answer.protocol_data,
                len(answer.members),
            )
        )

    def list(self, states=(), types=()) -> None:
        request = ListGroupsRequest(states_filter=list(states), types_filter=list(types))
        answer = self.client.ask(request, ListGroupsResponse, 5)
        self.seen.append(
            (
                "listed",
                answer.error_code,
                sorted(
                    (group.group_id, group.protocol_type, group.group_state, group.group_type)
                    for group in answer.groups
                    if group.group_id in self.listed
                ),
            )
        )

    def commit(
        self,
        group: str,
        member: str,
        epoch: int,
        topic: str,
        partition: int,
        offset: int,
        version: int = 9,
        instance: str | None = None,
    ) -> None:
        wanted = OffsetCommitRequestPartition(
            partition_index=partition, committed_offset=offset, committed_metadata="m"
        )
        named = {"topic_id": self.ids[topic]} if version >= 10 else {"name": topic}
        request = OffsetCommitRequest(
            group_id=group,
            member_id=member,
            generation_id_or_member_epoch=epoch,
            group_instance_id=instance,
            topics=[OffsetCommitRequestTopic(**named, partitions=[wanted])],
        )
        answer = self.client.ask(request, OffsetCommitResponse, version)
        self.seen.append(("committed", [p.error_code for t in answer.topics for p in t.partitions]))

    def fetch(self, group: str, member: str | None, epoch: int, topic: str, partition: int, version: int = 9) -> None:
        named = {"topic_id": self.ids[topic]} if version >= 10 else {"name": topic}
        wanted = OffsetFetchRequestTopics(**named, partition_indexes=[partition])
        asked = OffsetFetchRequestGroup(group_id=group, member_id=member, member_epoch=epoch, topics=[wanted])
        [answer] = self.client.ask(OffsetFetchRequest(groups=[asked]), OffsetFetchResponse, version).groups
        found = [(p.committed_offset, p.metadata, p.error_code) for t in answer.topics for p in t.partitions]
        self.seen.append(("fetched", answer.error_code, found))

    def delete_group(self, group: str) -> None:
        answer = self.client.ask(DeleteGroupsRequest(groups_names=[group]), DeleteGroupsResponse, 2)
        self.seen.append(("deleted", [result.error_code for result in answer.results]))

    def delete_offset(self, group: str, topic: str, partition: int) -> None:
        wanted = OffsetDeleteRequestTopic(
            name=topic, partitions=[OffsetDeleteRequestPartition(partition_index=partition)]
        )
        answer = self.client.ask(OffsetDeleteRequest(group_id=group, topics=[wanted]), OffsetDeleteResponse, 0)
        codes = [partition.error_code for topic in answer.topics for partition in topic.partitions]
        self.seen.append(("offset deleted", answer.error_code, codes))

    # ---- the classic protocol

    def classic_join(
        self,
        group: str,
        member: str,
        protocols: dict[str, bytes],
        *,
        version: int = 9,
        instance: str | None = None,
        session_ms: int = 10_000,
        protocol_type: str = "consumer",
    ):
        request = JoinGroupRequest(
            group_id=group,
            session_timeout_ms=session_ms,
            rebalance_timeout_ms=5_000,
            member_id=member,
            group_instance_id=instance,
            protocol_type=protocol_type,
            protocols=[JoinGroupRequestProtocol(name=name, metadata=metadata) for name, metadata in protocols.items()],
        )
        answer = self.client.ask(request, JoinGroupResponse, version)
        told = answer.member_id
        if told and told != member:
            self.letter(told)
        self.seen.append(
            (
                "joined",
                answer.error_code,
                self.letters.get(told, told),
                answer.generation_id,
                answer.protocol_type,
                answer.protocol_name,
                self.letters.get(answer.leader, answer.leader),
                len(answer.members),
                answer.skip_assignment,
            )
        )
        return answer

    def classic_sync(
        self,
        group: str,
        member: str,
        generation: int,
        assignments=(),
        *,
        instance=None,
        protocol_type="consumer",
        protocol_name="range",
        version: int = 5,
    ):
        request = SyncGroupRequest(
            group_id=group,
            generation_id=generation,
            member_id=member,
            group_instance_id=instance,
            protocol_type=protocol_type,
            protocol_name=protocol_name,
            assignments=[SyncGroupRequestAssignment(member_id=who, assignment=what) for who, what in assignments],
        )
        answer = self.client.ask(request, SyncGroupResponse, version)
        self.seen.append(
            ("synced", answer.error_code, answer.protocol_type, answer.protocol_name, _given(answer.assignment))
        )
        return answer

    def classic_beat(self, group: str, member: str, generation: int, instance=None) -> int:
        request = HeartbeatRequest(
            group_id=group, generation_id=generation, member_id=member, group_instance_id=instance
        )
        code = self.client.ask(request, HeartbeatResponse, 4).error_code
        self.seen.append(("classic beat", code))
        return code

    def classic_leave(self, group: str, *members: tuple[str, str | None]) -> None:
        identities = [MemberIdentity(member_id=member, group_instance_id=instance) for member, instance in members]
        answer = self.client.ask(LeaveGroupRequest(group_id=group, members=identities), LeaveGroupResponse, 5)
        self.seen.append(
            (
                "left",
                answer.error_code,
                [
                    (self.letters.get(m.member_id, m.member_id), m.group_instance_id, m.error_code)
                    for m in answer.members
                ],
            )
        )


def _given(assignment: bytes) -> object:
    """What a member is to read; the order of topics is chance."""
    try:
        topics = read_assignment(bytes(assignment)).assigned_partitions
    except ProtocolError:
        return bytes(assignment)
    return sorted((topic.topic, topic.partitions) for topic in topics)
