"""Members that do not come, in groups of both protocols: the clock need not be waited for."""

from __future__ import annotations

import confluent_kafka
import pytest
from ottla.broker import Broker
from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
    TopicPartitions,
)
from ottla.protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from ottla.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse
from ottla.protocol.messages.sync_group import SyncGroupRequest, SyncGroupResponse
from ottla.protocol.primitives import uuid_from_text

from ..harness.raw_client import RawClient, request_frame

GROUP = "readers"
TIMEOUT_S = 60
JOIN_VERSION = 3  # the last that is not sent back once for a member id


@pytest.fixture
def broker():
    with Broker(topics={"orders": 2}, config={"group.initial.rebalance.delay.ms": 0}) as running:
        running.commit("others", "orders", 0)  # who looks for a coordinator finds one
        yield running


def join(rebalance_timeout_ms: int, session_timeout_ms: int) -> JoinGroupRequest:
    return JoinGroupRequest(
        group_id=GROUP,
        session_timeout_ms=session_timeout_ms,
        rebalance_timeout_ms=rebalance_timeout_ms,
        protocol_type="consumer",
        protocols=[JoinGroupRequestProtocol(name="range", metadata=b"")],
    )


def test_a_rebalance_goes_on_without_who_does_not_join(broker):
    long_ms = 25 * 60_000
    with RawClient(broker) as away, RawClient(broker) as waiting:
        first = away.ask(join(4 * 60_000, long_ms), JoinGroupResponse, JOIN_VERSION)
        sync = SyncGroupRequest(group_id=GROUP, generation_id=first.generation_id, member_id=first.member_id)
        assert away.ask(sync, SyncGroupResponse, 3).error_code == ErrorCode.NONE
        waiting.send(request_frame(join(4 * 60_000, long_ms), JOIN_VERSION))
        broker.wait_for(lambda: broker.groups()[GROUP].state == "PreparingRebalance")
        broker.clock.advance(minutes=3)
        assert len(broker.groups()[GROUP].members) == 2
        broker.clock.advance(minutes=2)
        _, joined = waiting.read_response(JoinGroupRequest, JoinGroupResponse, JOIN_VERSION)
        assert (joined.error_code, joined.leader) == (ErrorCode.NONE, joined.member_id)
        assert [member.member_id for member in broker.groups()[GROUP].members] == [joined.member_id]
        beat = HeartbeatRequest(group_id=GROUP, generation_id=first.generation_id, member_id=first.member_id)
        assert away.ask(beat, HeartbeatResponse, 3).error_code == ErrorCode.UNKNOWN_MEMBER_ID


def test_who_joined_and_never_syncs_is_gone(broker):
    with RawClient(broker) as client:
        assert client.ask(join(60_000, 25 * 60_000), JoinGroupResponse, JOIN_VERSION).error_code == ErrorCode.NONE
        assert broker.groups()[GROUP].state == "CompletingRebalance"
        broker.clock.advance(minutes=2)
        assert broker.groups()[GROUP].members == ()


def beat(client: RawClient, member: str, epoch: int, **more) -> ConsumerGroupHeartbeatResponse:
    asked = ConsumerGroupHeartbeatRequest(group_id=GROUP, member_id=member, member_epoch=epoch, **more)
    return client.ask(asked, ConsumerGroupHeartbeatResponse, 1)


def new_member(client: RawClient, member: str) -> ConsumerGroupHeartbeatResponse:
    return beat(client, member, 0, rebalance_timeout_ms=60_000, subscribed_topic_names=["orders"], topic_partitions=[])


def test_a_session_of_the_consumer_protocol_ends(broker):
    with RawClient(broker) as client:
        epoch = new_member(client, "first").member_epoch
        broker.clock.advance(seconds=44)
        assert beat(client, "first", epoch).error_code == ErrorCode.NONE
        broker.clock.advance(seconds=44)
        assert [member.member_id for member in broker.groups()[GROUP].members] == ["first"]
        broker.clock.advance(seconds=2)
        assert broker.groups()[GROUP].members == ()
        assert beat(client, "first", epoch).error_code == ErrorCode.UNKNOWN_MEMBER_ID


def test_who_keeps_what_it_must_give_away_is_fenced(broker):
    topic_id = uuid_from_text(broker.topics()["orders"].topic_id)
    both = [TopicPartitions(topic_id=topic_id, partitions=[0, 1])]
    with RawClient(broker) as client:
        joined = new_member(client, "keeps")
        assert [sorted(each.partitions) for each in joined.assignment.topic_partitions] == [[0, 1]]
        assert beat(client, "keeps", joined.member_epoch, topic_partitions=both).error_code == ErrorCode.NONE
        new_member(client, "waits")
        broker.clock.advance(seconds=2)  # a new assignment is made once in a second
        waits = new_member(client, "waits").member_epoch
        told = beat(client, "keeps", joined.member_epoch, topic_partitions=both)
        assert [len(each.partitions) for each in told.assignment.topic_partitions] == [1]
        broker.clock.advance(seconds=31)
        assert beat(client, "keeps", joined.member_epoch, topic_partitions=both).error_code == ErrorCode.NONE
        assert beat(client, "waits", waits).error_code == ErrorCode.NONE
        broker.clock.advance(seconds=31)
        assert [member.member_id for member in broker.groups()[GROUP].members] == ["waits"]
        has = beat(client, "waits", waits).assignment.topic_partitions
        assert [sorted(each.partitions) for each in has] == [[0, 1]]


def test_transactional_ids_expire(broker):
    producer = confluent_kafka.Producer(
        {"bootstrap.servers": broker.bootstrap_servers, "transactional.id": "seller", "linger.ms": 0}
    )
    producer.init_transactions(TIMEOUT_S)
    producer.begin_transaction()
    producer.produce("orders", b"x")
    producer.commit_transaction(TIMEOUT_S)
    broker.wait_for(lambda: broker.transactions()["seller"].state == "CompleteCommit", TIMEOUT_S)
    broker.clock.advance(days=6)
    assert "seller" in broker.transactions()
    broker.clock.advance(days=2)
    assert broker.transactions() == {}
