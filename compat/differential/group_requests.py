"""Requests of classic groups that several modules of the catalogue send."""

from __future__ import annotations

import struct

from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest, TopicPartitions
from ottla.protocol.messages.heartbeat import HeartbeatRequest
from ottla.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from ottla.protocol.messages.leave_group import LeaveGroupRequest, MemberIdentity
from ottla.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from ottla.protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment

SESSION_MS = 30_000
CONSUMER = "consumer"


def subscription(*topics: str) -> bytes:
    """A consumer's metadata, version 0."""
    names = b"".join(struct.pack(">h", len(topic)) + topic.encode() for topic in topics)
    return struct.pack(">hi", 0, len(topics)) + names + struct.pack(">i", -1)


RANGE = (("range", subscription("t")),)


def join(group, member="", protocols=RANGE, *, instance=None, session_ms=SESSION_MS, kind=CONSUMER, **said):
    said = {"rebalance_timeout_ms": SESSION_MS, **said}
    return JoinGroupRequest(
        group_id=group,
        session_timeout_ms=session_ms,
        member_id=member,
        group_instance_id=instance,
        protocol_type=kind,
        protocols=[JoinGroupRequestProtocol(name=name, metadata=metadata) for name, metadata in protocols],
        **said,
    )


def sync(group, generation, member, assignments=(), *, instance=None, kind=CONSUMER, name="range"):
    return SyncGroupRequest(
        group_id=group,
        generation_id=generation,
        member_id=member,
        group_instance_id=instance,
        protocol_type=kind,
        protocol_name=name,
        assignments=[SyncGroupRequestAssignment(member_id=who, assignment=what) for who, what in assignments],
    )


def beat(group, generation, member, instance=None):
    return HeartbeatRequest(group_id=group, generation_id=generation, member_id=member, group_instance_id=instance)


def leave(w, group, *members):
    """LeaveGroup of (member id, instance id) pairs, one of them where the version knows no more."""
    if w.version < 3:
        return LeaveGroupRequest(group_id=group, member_id=members[0][0])
    identities = [MemberIdentity(member_id=member, group_instance_id=instance) for member, instance in members]
    return LeaveGroupRequest(group_id=group, members=identities)


def commit(group, topic, *offsets, generation=-1, member="", instance=None, metadata="m", **said):
    """OffsetCommit of (partition, offset) pairs of one topic."""
    said["committed_metadata"] = metadata
    partitions = [
        OffsetCommitRequestPartition(partition_index=index, committed_offset=offset, **said)
        for index, offset in offsets
    ]
    return OffsetCommitRequest(
        group_id=group,
        generation_id_or_member_epoch=generation,
        member_id=member,
        group_instance_id=instance,
        topics=[OffsetCommitRequestTopic(name=topic.name, topic_id=topic.id, partitions=partitions)],
    )


def stable(w, group, *, instance=None, protocols=RANGE, kind=CONSUMER):
    """Make a group of one member that is stable; returns its id and generation. No part of the transcript."""
    answer = w.ask(join(group, "", protocols, instance=instance, kind=kind))
    if answer.error_code == ErrorCode.MEMBER_ID_REQUIRED:
        answer = w.ask(join(group, answer.member_id, protocols, instance=instance, kind=kind))
    assert answer.error_code == 0, answer
    name = protocols[0][0]
    given = [(answer.member_id, b"a")]
    synced = w.ask(sync(group, answer.generation_id, answer.member_id, given, instance=instance, kind=kind, name=name))
    assert synced.error_code == 0, synced
    return answer.member_id, answer.generation_id


def a_second_join(w, group):
    """The JoinGroup of a second member, which waits for the first. Its id is no part of the transcript."""
    return join(group, w.ask(join(group)).member_id)


def await_rebalance(w, group, generation, member):
    """Wait until the group rebalances; who joins is parked on a connection of its own."""
    w.until(lambda: w.ask(beat(group, generation, member)).error_code, "the group rebalances")


def expel(w, group, member):
    """Let a member leave, so that nobody waits for it. No part of the transcript."""
    w.ask(LeaveGroupRequest(group_id=group, members=[MemberIdentity(member_id=member)]))


def consumer_member(group, member_id, epoch=0, *, topics=None, owned=(), timeout_ms=30_000, **said):
    """A whole heartbeat of KIP-848, as a member sends it when it joins."""
    return ConsumerGroupHeartbeatRequest(
        group_id=group,
        member_id=member_id,
        member_epoch=epoch,
        rebalance_timeout_ms=timeout_ms,
        subscribed_topic_names=topics,
        topic_partitions=[TopicPartitions(topic_id=topic.id, partitions=list(indexes)) for topic, indexes in owned],
        **said,
    )
