"""What a ConsumerGroupHeartbeat must be whatever the group is."""

from __future__ import annotations

import pytest
from ottla.broker.coordinators.consumer_request import check
from ottla.broker.coordinators.group_refusal import GroupRefusal
from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest, TopicPartitions

ASSIGNORS = ("uniform", "range")
JOIN = {"rebalance_timeout_ms": 1, "subscribed_topic_names": [], "topic_partitions": []}


def request(**said):
    return ConsumerGroupHeartbeatRequest(**{"group_id": "g", "member_id": "m", "member_epoch": 1, **said})


@pytest.mark.parametrize(
    ("version", "said"),
    [
        (1, {}),
        (0, {"member_id": "", "member_epoch": 0, **JOIN}),
        (1, {"member_epoch": 0, **JOIN}),
        (1, {"member_epoch": 0, **JOIN, "subscribed_topic_names": None, "subscribed_topic_regex": ""}),
        (1, {"member_epoch": -1}),
        (1, {"member_epoch": -2, "instance_id": "i"}),
        (0, {"member_id": "", "member_epoch": -2, "instance_id": "i"}),
        (1, {"server_assignor": "range"}),
    ],
)
def test_lets_through(version, said):
    check(request(**said), version, ASSIGNORS)


@pytest.mark.parametrize(
    ("version", "said", "message"),
    [
        (1, {"member_id": "", "member_epoch": 0, **JOIN}, "MemberId can't be empty."),
        (0, {"member_id": "\t ", "member_epoch": 1}, "MemberId can't be empty."),
        (0, {"member_id": "", "member_epoch": -1}, "MemberId can't be empty."),
        (1, {"group_id": " "}, "GroupId can't be empty."),
        (1, {"instance_id": ""}, "InstanceId can't be empty."),
        (1, {"rack_id": "\n"}, "RackId can't be empty."),
        (1, {"member_epoch": 0}, "RebalanceTimeoutMs must be provided in first request."),
        (1, {"member_epoch": 0, **JOIN, "topic_partitions": None}, "TopicPartitions must be empty when (re-)joining."),
        (
            1,
            {"member_epoch": 0, **JOIN, "topic_partitions": [TopicPartitions(topic_id=bytes(16), partitions=[0])]},
            "TopicPartitions must be empty when (re-)joining.",
        ),
        (
            1,
            {"member_epoch": 0, **JOIN, "subscribed_topic_names": None},
            "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.",
        ),
        (1, {"member_epoch": -2}, "InstanceId can't be null."),
        (1, {"member_epoch": -3}, "MemberEpoch is invalid."),
    ],
)
def test_refuses(version, said, message):
    with pytest.raises(GroupRefusal) as refused:
        check(request(**said), version, ASSIGNORS)
    assert (refused.value.code, refused.value.message) == (ErrorCode.INVALID_REQUEST, message)


def test_refuses_an_assignor_that_is_not_configured():
    with pytest.raises(GroupRefusal) as refused:
        check(request(server_assignor="mine"), 1, ASSIGNORS)
    assert refused.value.code is ErrorCode.UNSUPPORTED_ASSIGNOR
    assert refused.value.message == "ServerAssignor mine is not supported. Supported assignors: uniform, range."
