"""What answers repeated heartbeats says and moves exactly what their handlers do, or leaves it to them."""

from __future__ import annotations

import itertools
import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ottla.broker.handlers.repeated import KNOWN_BYTES_MAX, KNOWN_MAX
from ottla.broker.handlers.repeated_heartbeat import RepeatedConsumerHeartbeats, RepeatedHeartbeats
from ottla.broker.request import RequestContext
from ottla.protocol.api_keys import ApiKey
from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
    TopicPartitions,
)
from ottla.protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse

from ..connections import connection_info
from .joining import broker_for_groups, joined, joining
from .two_ways import TOPIC, answer_in, frame_of, group_ways

GROUP_RESOURCE = 32


@pytest.fixture
def ways(tmp_path):
    return group_ways(tmp_path)


# ---- classic members


def beat(ways, member_id, generation, version=4, *, group="g", instance=None, **header):
    """What both brokers answer to a heartbeat."""
    request = HeartbeatRequest(group_id=group, generation_id=generation, member_id=member_id)
    if instance is not None:
        request.group_instance_id = instance
    answer = ways.both(request, version, **header)
    return ErrorCode(answer_in(answer, request, HeartbeatResponse, version).error_code)


@pytest.mark.parametrize("version", range(5))
def test_the_second_heartbeat_is_not_read(ways, version):
    member_id, generation = joined(ways)
    for number in range(6):
        ways.advance(6_000)
        request = HeartbeatRequest(group_id="g", generation_id=generation, member_id=member_id)
        answer = ways.both(request, version, correlation_id=number)
        assert ways.repeated == number
        assert struct.unpack_from(">i", answer, 4) == (number,)
        assert answer_in(answer, request, HeartbeatResponse, version).error_code == 0


def test_who_was_put_out_is_told_so(ways):
    member = joined(ways)
    assert [beat(ways, *member) for _ in range(2)] == [ErrorCode.NONE] * 2
    ways.advance(10_000)
    assert beat(ways, *member) is ErrorCode.UNKNOWN_MEMBER_ID
    assert ways.repeated == 2


def test_a_rebalance_is_told(ways):
    member = joined(ways)
    assert [beat(ways, *member) for _ in range(2)] == [ErrorCode.NONE] * 2
    ways.both(joining(), 3)
    assert beat(ways, *member) is ErrorCode.REBALANCE_IN_PROGRESS
    assert ways.repeated == 2
    for _ in range(12):  # it has rebalance.timeout.ms to join again, and its heartbeats keep it until then
        ways.advance(6_000)
        beat(ways, *member)
    assert beat(ways, *member) is ErrorCode.UNKNOWN_MEMBER_ID


def test_a_static_member_that_was_replaced_is_fenced(ways):
    member = joined(ways, "i")
    assert [beat(ways, *member, instance="i") for _ in range(2)] == [ErrorCode.NONE] * 2
    ways.both(joining(group_instance_id="i"), 5)
    assert beat(ways, *member, instance="i") is ErrorCode.FENCED_INSTANCE_ID
    assert ways.repeated == 2


def test_without_a_group_it_is_read_each_time(ways):
    for _ in range(3):
        assert beat(ways, "m", 1, group="") is ErrorCode.INVALID_GROUP_ID
    assert not ways.repeated


def test_versions_are_told_apart(ways):
    member = joined(ways)
    for version in (0, 1, 2, 0, 1, 2):
        assert beat(ways, *member, version=version) is ErrorCode.NONE


def test_groups_that_are_gone_are_not_asked(ways):
    beat(ways, *joined(ways))
    ways.each(lambda broker: broker.groups.stop())
    assert beat(ways, "test-1", 1) is ErrorCode.NOT_COORDINATOR
    assert not ways.repeated


# ---- members of consumer groups


def consumer(epoch, *, member="m", **said):
    """A heartbeat of a consumer: one that joins, or else one that says nothing unless told to."""
    if epoch == 0:
        said = {"rebalance_timeout_ms": 1_000, "subscribed_topic_names": [TOPIC], "topic_partitions": [], **said}
    return ConsumerGroupHeartbeatRequest(group_id="c", member_id=member, member_epoch=epoch, **said)


def answer_to(ways, request, version=1, **header):
    """What both brokers answer to it."""
    return answer_in(ways.both(request, version, **header), request, ConsumerGroupHeartbeatResponse, version)


@pytest.mark.parametrize("version", [0, 1])
def test_the_second_heartbeat_without_news_is_not_read(ways, version):
    epoch = answer_to(ways, consumer(0), version).member_epoch
    for number in range(4):
        ways.advance(40_000)
        answer = answer_to(ways, consumer(epoch), version, correlation_id=number)
        assert (answer.error_code, answer.member_id, answer.member_epoch) == (0, "m", epoch)
        assert ways.repeated == number
    ways.advance(45_000)
    assert answer_to(ways, consumer(epoch), version).error_code == ErrorCode.UNKNOWN_MEMBER_ID
    assert ways.repeated == 3


def test_news_are_told(ways):
    epoch = answer_to(ways, consumer(0)).member_epoch
    for _ in range(2):
        answer_to(ways, consumer(epoch))
    answer_to(ways, consumer(0, member="n"))
    frame = frame_of(consumer(epoch), 1)
    assert ways.is_left(frame)
    assert answer_to(ways, consumer(epoch)).assignment is not None
    assert ways.repeated == 1


def test_new_partitions_are_told(ways):
    epoch = answer_to(ways, consumer(0)).member_epoch
    for _ in range(2):
        answer_to(ways, consumer(epoch))
    ways.each(lambda broker: broker.metadata.create_partitions(broker.metadata.image.topics_by_name[TOPIC], 3))
    assert answer_to(ways, consumer(epoch)).member_epoch == epoch + 1
    assert ways.repeated == 1


def test_another_interval_is_told(ways):
    epoch = answer_to(ways, consumer(0)).member_epoch
    for interval_ms in (5_000, 6_000, 7_000):
        for broker in ways.brokers:
            broker.metadata.set_configs(GROUP_RESOURCE, "c", {"consumer.heartbeat.interval.ms": str(interval_ms)})
        for _ in range(2):
            assert answer_to(ways, consumer(epoch)).heartbeat_interval_ms == interval_ms
    assert ways.repeated == 5


def test_another_client_or_host_is_written_down(ways):
    epoch = answer_to(ways, consumer(0)).member_epoch
    for _ in range(2):
        answer_to(ways, consumer(epoch))
    ways.connections = [connection_info(peer_host="127.0.0.2") for _ in range(2)]
    assert ways.is_left(frame_of(consumer(epoch), 1))
    for client in ("c", "d", "d", None, None):
        answer_to(ways, consumer(epoch), client=client)
    assert ways.repeated == 3


@pytest.mark.parametrize(
    "said",
    [
        {"subscribed_topic_names": [TOPIC]},
        {"subscribed_topic_regex": "t.*"},
        {"rebalance_timeout_ms": 1_000},
        {"rack_id": "r"},
        {"server_assignor": "uniform"},
        {"instance_id": ""},
        {"member": " "},
    ],
)
def test_what_says_something_is_read_each_time(ways, said):
    epoch = answer_to(ways, consumer(0)).member_epoch
    for _ in range(3):
        answer_to(ways, consumer(epoch, **said))
    assert not ways.repeated


def test_what_is_owned_may_be_said(ways):
    joined_with = answer_to(ways, consumer(0))
    owned = [
        TopicPartitions(topic_id=each.topic_id, partitions=each.partitions)
        for each in joined_with.assignment.topic_partitions
    ]
    for _ in range(3):
        answer_to(ways, consumer(joined_with.member_epoch, topic_partitions=owned))
    assert ways.repeated == 2


def test_when_consumer_groups_are_served_no_more(ways):
    epoch = answer_to(ways, consumer(0)).member_epoch
    for _ in range(2):
        answer_to(ways, consumer(epoch))
    for broker in ways.brokers:
        broker.metadata.image.features["group.version"] = 0
    assert answer_to(ways, consumer(epoch)).error_code == ErrorCode.UNSUPPORTED_VERSION
    assert ways.repeated == 1


# ---- both


@pytest.mark.parametrize(
    ("kind", "key", "version", "request_of"),
    [
        (
            RepeatedHeartbeats,
            ApiKey.HEARTBEAT,
            4,
            lambda number: HeartbeatRequest(group_id="g", generation_id=1, member_id=number),
        ),
        (
            RepeatedConsumerHeartbeats,
            ApiKey.CONSUMER_GROUP_HEARTBEAT,
            1,
            lambda number: consumer(1, member=number),
        ),
    ],
)
def test_no_more_than_so_many_are_known(tmp_path, kind, key, version, request_of):
    repeated = kind(broker_for_groups(tmp_path).services())
    context = RequestContext(key, version, 1, "c", connection_info())
    for number in range(KNOWN_MAX + 10):
        request = request_of(str(number))
        repeated.learn(memoryview(frame_of(request, version)), 0, request, context)
    long = request_of("x" * KNOWN_BYTES_MAX)
    frame = memoryview(frame_of(long, version))
    repeated.learn(frame, 0, long, context)
    assert repeated.answer(frame, connection_info()) is None
    assert len(repeated._known) == 10


numbers = itertools.count()
classic_steps = st.fixed_dictionaries(
    {
        "version": st.integers(0, 4),
        "generation": st.sampled_from([0, 0, 0, 1, -1]),
        "instance": st.sampled_from([None, None, "i"]),
        "group": st.sampled_from(["g", "g", "c", ""]),
    }
)
consumer_steps = st.fixed_dictionaries(
    {
        "member": st.sampled_from(["m", "m", "n"]),
        "epoch": st.sampled_from([0, 0, 0, 1, -1]),
        "version": st.integers(0, 1),
        "client": st.sampled_from(["c", "c", None]),
        "joins": st.sampled_from([False, False, True]),
        "said": st.sampled_from([{}, {}, {}, {"topic_partitions": []}, {"rack_id": "r"}, {"instance_id": "i"}]),
    }
)
steps = st.one_of(
    classic_steps,
    consumer_steps,
    st.sampled_from(["join", "join static", "delete", "create", "interval"]),
    st.sampled_from([1, 5_000, 20_000]),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(st.lists(steps, min_size=2, max_size=16))
def test_any_heartbeats_are_answered_as_if_they_were_read(tmp_path, script):
    ways = group_ways(tmp_path / str(next(numbers)))
    for step in script:
        if isinstance(step, int):
            ways.advance(step)
        elif isinstance(step, str):
            _happen(ways, step)
        elif "member" in step:
            _beat_as_consumer(ways, **step)
        else:
            _beat(ways, **step)


def _happen(ways, what):
    topics = ways.known.metadata.image.topics_by_name
    if what in ("join", "join static"):
        instance = "i" if what == "join static" else None
        ways.both(joining(group_instance_id=instance), 5 if instance else 3)
        ways.advance(0)
    elif what == "delete" and TOPIC in topics:
        ways.each(lambda broker: broker.metadata.delete_topic(broker.metadata.image.topics_by_name[TOPIC]))
    elif what == "create" and TOPIC not in topics:
        ways.each(lambda broker: broker.create(TOPIC, 2))
    elif what == "interval":
        for broker in ways.brokers:
            broker.metadata.set_configs(GROUP_RESOURCE, "c", {"consumer.heartbeat.interval.ms": "7000"})


def _beat(ways, *, version, generation, instance, group):
    """A heartbeat of the newest member of the classic group, twice."""
    found = ways.known.groups.shard_of("g").groups.get("g")
    members = [] if found is None or found.type_name != "classic" else list(found.members)
    member_id = members[-1].member_id if members else "nobody"
    number = generation + (0 if found is None else found.generation)
    for _ in range(2):
        beat(ways, member_id, number, version, group=group, instance=instance if version >= 3 else None)


def _beat_as_consumer(ways, *, member, epoch, version, client, joins, said):
    """A heartbeat of a consumer in its epoch, or another one, twice."""
    found = ways.known.groups.shard_of("c").groups.get("c")
    known = None if found is None or found.type_name != "consumer" else found.members.get(member)
    number = 0 if joins or known is None else known.epoch + epoch
    request = consumer(number, member=member, **({} if number == 0 else said))
    for _ in range(2):
        ways.both(request, version, client=client)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(st.integers(0, 100), st.binary(max_size=3), st.booleans())
def test_any_bytes_are_answered_as_if_they_were_read(tmp_path, at, inserted, is_consumer):
    """A heartbeat that is known, changed in some place: both say the same of it."""
    ways = group_ways(tmp_path / str(next(numbers)))
    if is_consumer:
        frame = frame_of(consumer(answer_to(ways, consumer(0)).member_epoch), 1)
    else:
        member_id, generation = joined(ways)
        frame = frame_of(HeartbeatRequest(group_id="g", generation_id=generation, member_id=member_id), 4)
    ways.both_to(frame)
    place = at % len(frame)
    changed = frame[:place] + inserted + frame[place + 1 :]
    for asked in (changed, changed, frame):
        ways.both_to(asked)
