"""Groups whose members hold still while brokers change: what a member was told stays true with the next broker.

The members are requests over the raw protocol, so that nothing moves between two views. A classic group has a plain
and a static member with long sessions. Groups of the newer protocols are made where they are served.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

from ottla.protocol.api_keys import ApiKey
from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.consumer_group_describe import ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse
from ottla.protocol.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
    TopicPartitions,
)
from ottla.protocol.messages.describe_groups import DescribeGroupsRequest, DescribeGroupsResponse
from ottla.protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from ottla.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse
from ottla.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
)
from ottla.protocol.messages.share_group_describe import ShareGroupDescribeRequest, ShareGroupDescribeResponse
from ottla.protocol.messages.share_group_heartbeat import ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse
from ottla.protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse

from ..clients.group_members import wait_until
from ..harness.raw_client import request_frame
from .asking import GROUP, Broker, patiently

if TYPE_CHECKING:
    from .place import Place

CLASSIC = "with-members"
CONSUMER = "new-protocol"
SHARE = "sharing"
SESSION_MS = 300_000
JOIN_VERSION = 5
# A subscription and an assignment in the consumer protocol's version 0, for topic "live".
SUBSCRIPTION = b"\0\0\0\0\0\1\0\4live\xff\xff\xff\xff"
ASSIGNMENT = b"\0\0\0\0\0\1\0\4live\0\0\0\1\0\0\0\0\xff\xff\xff\xff"


class Member(NamedTuple):
    """A member of the classic group, as the coordinator knows it."""

    member_id: str
    instance_id: str | None


class GroupState:
    """The groups of one data directory."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._generation = -1
        self._members: list[Member] = []
        self._consumer_id = str(uuid.uuid4())
        self._share_id = str(uuid.uuid4())
        self.has_consumer_group = False
        self.has_share_group = False

    def begin_or_go_on(self, broker: Broker, stay: int) -> None:
        """Make the groups that are not there yet; the members of the others say that they are alive, and commit."""
        if not self._members:
            self._form_classic_group(broker)
        for member in self._members:
            self._heartbeat(broker, member)
        self._commit(broker, self._members[0], stay)
        if broker.serves(ApiKey.CONSUMER_GROUP_HEARTBEAT) and not self.has_consumer_group:
            self._join_consumer_group(broker)
            self.has_consumer_group = True
        if broker.serves(ApiKey.SHARE_GROUP_HEARTBEAT) and not self.has_share_group:
            self._join_share_group(broker)
            self.has_share_group = True

    def describe_new_protocols(self, broker: Broker) -> dict[str, list[str]]:
        """The groups of the newer protocols, where they can be described."""
        found: dict[str, list[str]] = {}
        if self.has_consumer_group and broker.serves(ApiKey.CONSUMER_GROUP_DESCRIBE):
            request = ConsumerGroupDescribeRequest(group_ids=[CONSUMER])
            found[CONSUMER] = _described(broker, request, ConsumerGroupDescribeResponse)
        if self.has_share_group and broker.serves(ApiKey.SHARE_GROUP_DESCRIBE):
            found[SHARE] = _described(broker, ShareGroupDescribeRequest(group_ids=[SHARE]), ShareGroupDescribeResponse)
        return found

    # The classic group

    def _form_classic_group(self, broker: Broker) -> None:
        broker.find_coordinator(CLASSIC, GROUP)
        with Broker(self._place) as first, Broker(self._place) as second:
            member_id = _join(first, "", None).member_id  # told to come back with this id
            assert _join(first, member_id, None).error_code == 0
            second.send(_join_frame("", "static-one"))
            wait_until(lambda: _state(broker) == "PreparingRebalance", "the group waits for its first member")
            joined = _join(first, member_id, None)
            also_joined = second.read_response(JoinGroupRequest, JoinGroupResponse, JOIN_VERSION)[1]
            assert (joined.error_code, also_joined.error_code) == (0, 0), (joined, also_joined)
            self._generation = joined.generation_id
            self._members = [Member(member_id, None), Member(also_joined.member_id, "static-one")]
            self._sync(first, second, joined.leader)

    def _sync(self, first: Broker, second: Broker, leader: str) -> None:
        assigned = [SyncGroupRequestAssignment(member_id=m.member_id, assignment=ASSIGNMENT) for m in self._members]
        requests = [
            SyncGroupRequest(
                group_id=CLASSIC,
                generation_id=self._generation,
                member_id=member.member_id,
                group_instance_id=member.instance_id,
                assignments=assigned if member.member_id == leader else [],
            )
            for member in self._members
        ]
        connections = [first, second]
        if self._members[0].member_id != leader:
            requests.reverse()
            connections.reverse()
        for connection, request in zip(connections, requests, strict=True):
            answer = connection.ask(request, SyncGroupResponse, 3)
            assert (answer.error_code, answer.assignment) == (0, ASSIGNMENT)

    def _heartbeat(self, broker: Broker, member: Member) -> None:
        request = HeartbeatRequest(
            group_id=CLASSIC,
            generation_id=self._generation,
            member_id=member.member_id,
            group_instance_id=member.instance_id,
        )
        answer = broker.ask(request, HeartbeatResponse, 3)
        assert answer.error_code == 0, (member, ErrorCode(answer.error_code).name)

    def _commit(self, broker: Broker, member: Member, stay: int) -> None:
        partition = OffsetCommitRequestPartition(partition_index=0, committed_offset=stay, committed_metadata="live")
        request = OffsetCommitRequest(
            group_id=CLASSIC,
            generation_id_or_member_epoch=self._generation,
            member_id=member.member_id,
            topics=[OffsetCommitRequestTopic(name="live", partitions=[partition])],
        )
        answer = broker.ask(request, OffsetCommitResponse, 8).topics[0].partitions[0]
        assert answer.error_code == 0, ErrorCode(answer.error_code).name

    # The newer protocols

    def _join_consumer_group(self, broker: Broker) -> None:
        broker.find_coordinator(CONSUMER, GROUP)

        def beat(epoch: int, **fields: Any) -> Any:
            request = ConsumerGroupHeartbeatRequest(
                group_id=CONSUMER, member_id=self._consumer_id, member_epoch=epoch, **fields
            )
            return broker.ask(request, ConsumerGroupHeartbeatResponse, 1)

        joined = patiently(
            lambda: beat(0, rebalance_timeout_ms=SESSION_MS, subscribed_topic_names=["live"], topic_partitions=[]),
            lambda answer: answer.error_code,
        )
        assert joined.error_code == 0, joined
        while joined.assignment is None or not joined.assignment.topic_partitions:
            joined = beat(joined.member_epoch)
            assert joined.error_code == 0, joined
        owned = [
            TopicPartitions(topic_id=each.topic_id, partitions=each.partitions)
            for each in joined.assignment.topic_partitions
        ]
        answer = beat(joined.member_epoch, topic_partitions=owned)
        assert answer.error_code == 0, answer

    def _join_share_group(self, broker: Broker) -> None:
        broker.find_coordinator(SHARE, GROUP)
        request = ShareGroupHeartbeatRequest(
            group_id=SHARE, member_id=self._share_id, member_epoch=0, subscribed_topic_names=["live"]
        )
        answer = patiently(
            lambda: broker.ask(request, ShareGroupHeartbeatResponse, 1), lambda answer: answer.error_code
        )
        assert answer.error_code == 0, answer


def _state(broker: Broker) -> str:
    return broker.ask(DescribeGroupsRequest(groups=[CLASSIC]), DescribeGroupsResponse, 5).groups[0].group_state


def _join(broker: Broker, member_id: str, instance_id: str | None) -> Any:
    broker.send(_join_frame(member_id, instance_id))
    return broker.read_response(JoinGroupRequest, JoinGroupResponse, JOIN_VERSION)[1]


def _join_frame(member_id: str, instance_id: str | None) -> bytes:
    request = JoinGroupRequest(
        group_id=CLASSIC,
        session_timeout_ms=SESSION_MS,
        rebalance_timeout_ms=SESSION_MS,
        member_id=member_id,
        group_instance_id=instance_id,
        protocol_type="consumer",
        protocols=[JoinGroupRequestProtocol(name="range", metadata=SUBSCRIPTION)],
    )
    return request_frame(request, JOIN_VERSION)


def _described(broker: Broker, request: Any, response: type) -> list[str]:
    answer = patiently(lambda: broker.ask(request, response, 1).groups[0], lambda answer: answer.error_code)
    return [repr(answer)]
