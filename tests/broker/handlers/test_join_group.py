"""JoinGroup in every version; codes are those of Kafka 4.3.1 to the same requests."""

from __future__ import annotations

import pytest
from ottla.broker.handlers import join_group
from ottla.broker.request import Deferred
from ottla.protocol.errors import ErrorCode

from ..group_broker import arrived
from .joining import SUBSCRIPTION, broker_for_groups, joining


@pytest.fixture
def broker(tmp_path):
    return broker_for_groups(tmp_path)


def no_protocol(version):
    return None if version >= 7 else ""


@pytest.mark.parametrize("version", range(10))
def test_every_version_joins(broker, version):
    first = broker.ask(join_group, joining(), version)
    member_id = ""
    if version >= 4:
        assert first.error_code == ErrorCode.MEMBER_ID_REQUIRED
        assert (first.generation_id, first.protocol_name) == (-1, no_protocol(version))
        member_id = first.member_id
        first = broker.ask(join_group, joining(member_id=member_id), version)
    assert isinstance(first, Deferred)
    broker.advance(0)
    joined = arrived(first, version)
    assert (joined.error_code, joined.generation_id, joined.protocol_name) == (0, 1, "range")
    assert joined.protocol_type == ("consumer" if version >= 7 else None)
    assert joined.leader == joined.member_id == "test-1"
    assert [(member.member_id, member.metadata) for member in joined.members] == [("test-1", SUBSCRIPTION)]


@pytest.mark.parametrize("version", range(10))
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"group_id": ""}, ErrorCode.INVALID_GROUP_ID),
        ({"session_timeout_ms": 5_999}, ErrorCode.INVALID_SESSION_TIMEOUT),
        ({"session_timeout_ms": 1_800_001}, ErrorCode.INVALID_SESSION_TIMEOUT),
        ({"session_timeout_ms": -1}, ErrorCode.INVALID_SESSION_TIMEOUT),
        ({"member_id": "ghost"}, ErrorCode.UNKNOWN_MEMBER_ID),
        ({"protocols": []}, ErrorCode.INCONSISTENT_GROUP_PROTOCOL),
        ({"protocol_type": ""}, ErrorCode.INCONSISTENT_GROUP_PROTOCOL),
    ],
)
def test_refused_in_every_version(broker, version, changes, code):
    refused = broker.ask(join_group, joining(**changes), version)
    assert (refused.error_code, refused.generation_id, refused.leader) == (code, -1, "")
    assert refused.protocol_name == no_protocol(version)
    assert refused.member_id == changes.get("member_id", "")


def test_version_0_takes_the_session_for_the_rebalance_timeout(broker):
    broker.ask(join_group, joining(), 0)
    [member] = broker.groups.shard_of("g").groups["g"].members
    assert member.rebalance_timeout_ms == 10_000


def test_a_client_without_a_name(broker):
    assert broker.ask(join_group, joining(), 9, client_id=None).member_id == "-1"


def test_a_member_is_known_by_client_and_address(broker):
    broker.ask(join_group, joining(), 3)
    [member] = broker.groups.shard_of("g").groups["g"].members
    assert (member.client_id, member.client_host) == ("test", "/127.0.0.1")


def test_a_static_member_is_named_after_its_instance(broker):
    parked = broker.ask(join_group, joining(group_instance_id="i"), 9)
    broker.advance(0)
    assert arrived(parked, 9).member_id == "i-1"
    assert arrived(parked, 9).members[0].group_instance_id == "i"
