"""SyncGroup, Heartbeat and LeaveGroup in every version; codes are those of Kafka 4.3.1 to the same requests."""

from __future__ import annotations

import pytest
from ottla.broker.handlers import heartbeat, join_group, leave_group, sync_group
from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.heartbeat import HeartbeatRequest
from ottla.protocol.messages.leave_group import LeaveGroupRequest, MemberIdentity
from ottla.protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment

from .joining import broker_for_groups, joining


@pytest.fixture
def broker(tmp_path):
    return broker_for_groups(tmp_path)


@pytest.fixture
def member(broker):
    """The id of the one member, in generation 1."""
    broker.ask(join_group, joining(), 3)
    broker.advance(0)
    return "test-1"


def syncing(version, **changes):
    named = {"protocol_type": "consumer", "protocol_name": "range"} if version >= 5 else {}
    fields = {"group_id": "g", "generation_id": 1, "member_id": "test-1", **named, **changes}
    given = [SyncGroupRequestAssignment(member_id="test-1", assignment=b"A")]
    return SyncGroupRequest(assignments=given, **fields)


@pytest.mark.parametrize("version", range(6))
def test_every_version_syncs(broker, member, version):
    answer = broker.ask(sync_group, syncing(version), version)
    assert (answer.error_code, answer.assignment) == (0, b"A")
    assert (answer.protocol_type, answer.protocol_name) == (("consumer", "range") if version >= 5 else (None, None))


@pytest.mark.parametrize("version", range(6))
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"group_id": ""}, ErrorCode.INVALID_GROUP_ID),
        ({"group_id": "none"}, ErrorCode.UNKNOWN_MEMBER_ID),
        ({"member_id": "ghost"}, ErrorCode.UNKNOWN_MEMBER_ID),
        ({"generation_id": 2}, ErrorCode.ILLEGAL_GENERATION),
    ],
)
def test_sync_refused(broker, member, version, changes, code):
    answer = broker.ask(sync_group, syncing(version, **changes), version)
    assert (answer.error_code, answer.assignment) == (code, b"")


@pytest.mark.parametrize(
    "changes", [{"protocol_type": None}, {"protocol_name": None}, {"protocol_type": "x"}, {"protocol_name": "x"}]
)
def test_version_5_must_name_the_protocol(broker, member, changes):
    answer = broker.ask(sync_group, syncing(5, **changes), 5)
    assert answer.error_code == ErrorCode.INCONSISTENT_GROUP_PROTOCOL


@pytest.mark.parametrize("version", range(5))
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, ErrorCode.NONE),
        ({"group_id": ""}, ErrorCode.INVALID_GROUP_ID),
        ({"group_id": "none"}, ErrorCode.UNKNOWN_MEMBER_ID),
        ({"member_id": "ghost"}, ErrorCode.UNKNOWN_MEMBER_ID),
        ({"generation_id": 0}, ErrorCode.ILLEGAL_GENERATION),
    ],
)
def test_heartbeat(broker, member, version, changes, code):
    fields = {"group_id": "g", "generation_id": 1, "member_id": member, **changes}
    assert broker.ask(heartbeat, HeartbeatRequest(**fields), version).error_code == code


@pytest.mark.parametrize("version", range(3))
def test_one_leaves(broker, member, version):
    for who, code in (("ghost", ErrorCode.UNKNOWN_MEMBER_ID), (member, ErrorCode.NONE)):
        answer = broker.ask(leave_group, LeaveGroupRequest(group_id="g", member_id=who), version)
        assert answer.error_code == code
    none = broker.ask(leave_group, LeaveGroupRequest(group_id="none", member_id=member), version)
    assert none.error_code == ErrorCode.UNKNOWN_MEMBER_ID


@pytest.mark.parametrize("version", range(3, 6))
def test_several_leave(broker, member, version):
    leaving = [MemberIdentity(member_id="ghost"), MemberIdentity(member_id=member, group_instance_id=None)]
    answer = broker.ask(leave_group, LeaveGroupRequest(group_id="g", members=leaving), version)
    assert answer.error_code == 0
    assert [(one.member_id, one.error_code) for one in answer.members] == [("ghost", 25), (member, 0)]
    none = broker.ask(leave_group, LeaveGroupRequest(group_id="none", members=leaving[:1]), version)
    assert (none.error_code, none.members[0].error_code) == (0, ErrorCode.UNKNOWN_MEMBER_ID)


@pytest.mark.parametrize("version", range(6))
def test_leave_no_group(broker, version):
    assert broker.ask(leave_group, LeaveGroupRequest(group_id=""), version).error_code == ErrorCode.INVALID_GROUP_ID
