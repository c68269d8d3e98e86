"""What answers repeated commits says, writes and moves exactly what `offset_commit.handle` does, or leaves it to it."""

from __future__ import annotations

import itertools
import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ottla.broker.handlers.repeated import KNOWN_MAX
from ottla.broker.handlers.repeated_commit import RepeatedCommits
from ottla.broker.request import Deferred, RequestContext
from ottla.protocol.api_keys import ApiKey
from ottla.protocol.compiler import decode
from ottla.protocol.errors import ErrorCode
from ottla.protocol.headers import read_request_head
from ottla.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
)

from ..connections import connection_info
from ..group_broker import OFFSETS_TOPIC
from .joining import broker_for_groups, joined, joining
from .two_ways import TOPIC, TOPIC_RESOURCE, answer_in, frame_of, group_ways

VERSIONS = range(2, 11)
NO_TOPIC_ID = b"\x01" * 16


def commit_of(ways, version=9, *, offset=5, topic=TOPIC, partition=0, epoch=-1, metadata="", **fields):
    """A commit of one partition, by an admin of the group unless something else is said."""
    if version >= 10:
        image = ways.known.metadata.image.topics_by_name.get(topic)
        names = {"topic_id": NO_TOPIC_ID if image is None else image.topic_id}
    else:
        names = {"name": topic}
    committed = OffsetCommitRequestPartition(
        partition_index=partition,
        committed_offset=offset,
        committed_leader_epoch=epoch,
        committed_metadata=metadata,
    )
    topics = [OffsetCommitRequestTopic(partitions=[committed], **names)]
    return OffsetCommitRequest(**{"group_id": "g", "topics": topics, **fields})


def code(ways, version=9, *, client="c", correlation_id=1, **fields):
    """What both brokers answer to a commit of one partition."""
    request = commit_of(ways, version, **fields)
    answer = ways.both(request, version, client=client, correlation_id=correlation_id)
    [topic] = answer_in(answer, request, OffsetCommitResponse, version).topics
    return ErrorCode(topic.partitions[0].error_code)


def member_of(ways, instance=None):
    """What the member of a stable group says of itself; None where nobody could join."""
    found = joined(ways, instance)
    return found and dict(zip(("member_id", "generation_id_or_member_epoch"), found, strict=True))


@pytest.fixture
def ways(tmp_path):
    return group_ways(tmp_path)


@pytest.mark.parametrize("metadata", ["", None])
@pytest.mark.parametrize("version", VERSIONS)
def test_the_second_commit_is_not_read(ways, version, metadata):
    for number in range(5):
        request = commit_of(ways, version, offset=number, metadata=metadata)
        answer = ways.both(request, version, correlation_id=number)
        assert ways.repeated == number
        assert struct.unpack_from(">i", answer, 4) == (number,)
        ways.advance(10)
    assert ways.known.groups.shard_of("g").offsets.get("g", TOPIC, 0).offset == 4


def test_a_member_stays_by_its_commits(ways):
    member = member_of(ways)
    for _ in range(6):
        ways.advance(6_000)
        assert code(ways, offset=1, **member) is ErrorCode.NONE
    assert ways.repeated == 5
    ways.advance(10_000)
    assert code(ways, offset=1, **member) is ErrorCode.UNKNOWN_MEMBER_ID
    assert ways.repeated == 6


def test_who_is_fenced_is_told_so(ways):
    before = {**member_of(ways, "i"), "group_instance_id": "i"}
    assert [code(ways, **before) for _ in range(2)] == [ErrorCode.NONE] * 2
    ways.both(joining(group_instance_id="i"), 5)
    assert code(ways, **before) is ErrorCode.FENCED_INSTANCE_ID
    assert ways.repeated == 2


def test_a_generation_that_is_over_is_told_so(ways):
    before = member_of(ways)
    assert [code(ways, **before) for _ in range(2)] == [ErrorCode.NONE] * 2
    ways.both(joining(), 3)
    assert code(ways, **before) is ErrorCode.NONE  # until all have joined the old one may commit
    ways.advance(60_000)
    assert code(ways, **before) is not ErrorCode.NONE
    assert ways.repeated == 3


@pytest.mark.parametrize("version", [9, 10])
def test_a_topic_that_comes_again_is_another_one(ways, version):
    frame = frame_of(commit_of(ways, version), version)
    for _ in range(3):
        ways.both_to(frame)
    ways.each(lambda broker: broker.metadata.delete_topic(broker.metadata.image.topics_by_name[TOPIC]))
    assert ways.is_left(frame)
    ways.both_to(frame)
    ways.each(lambda broker: broker.create(TOPIC, 1))
    ways.both_to(frame)
    assert ways.repeated == (2 if version == 10 else 3)
    [committed] = ways.known.groups.shard_of("g").offsets.snapshot().get("g", {(): None}).values()
    topic_id = ways.known.metadata.image.topics_by_name[TOPIC].topic_id
    assert committed is None if version == 10 else committed.topic_id == topic_id


def test_partitions_that_are_not_there_are_left_to_the_handler(ways):
    for _ in range(3):
        assert code(ways, partition=2) is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        assert code(ways, partition=-1) is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        assert code(ways, topic="u") is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert not ways.repeated


def test_versions_of_the_same_bytes_are_told_apart(ways):
    gone = {"member_id": "m", "generation_id_or_member_epoch": 1}
    for _ in range(2):
        assert code(ways, 9, **gone) is ErrorCode.GROUP_ID_NOT_FOUND
        assert code(ways, 8, **gone) is ErrorCode.ILLEGAL_GENERATION


@pytest.mark.parametrize("version", [6, 9, 10])
def test_leader_epochs_are_told_apart(ways, version):
    for epoch in (-1, -1, 3, 3, 4, -1):
        code(ways, version, epoch=epoch)
        assert ways.known.groups.shard_of("g").offsets.get("g", TOPIC, 0).leader_epoch == epoch


@pytest.mark.parametrize("version", [8, 9, 10])
@pytest.mark.parametrize("place", [1, 2, 3])
def test_with_a_tagged_field_it_is_read_each_time(ways, version, place):
    """Behind the offset stands more than is known then: in the partition, in the topic, in the request."""
    for offset in (1, 2, 3):
        frame = frame_of(commit_of(ways, version, offset=offset), version)
        at = len(frame) - place
        ways.both_to(frame[:at] + b"\x01\x05\x01x" + frame[at + 1 :])
        assert ways.known.groups.shard_of("g").offsets.get("g", TOPIC, 0).offset == offset
    assert not ways.repeated


def test_metadata_are_read_each_time(ways):
    for text in ("x", "x" * 5000):
        for _ in range(3):
            code(ways, metadata=text)
    assert not ways.repeated


@pytest.mark.parametrize("retention_ms", [0, 1000])
def test_a_retention_of_its_own_is_read_each_time(ways, retention_ms):
    for _ in range(3):
        code(ways, 3, retention_time_ms=retention_ms)
    assert not ways.repeated


def test_offsets_of_a_simple_group_that_ended_begin_again(ways):
    frame = frame_of(commit_of(ways), 9)
    for _ in range(2):
        ways.both_to(frame)
    ways.advance(8 * 24 * 3_600_000)
    assert ways.known.groups.shard_of("g").groups == {}
    ways.both_to(frame)
    assert ways.known.groups.shard_of("g").offsets.get("g", TOPIC, 0).offset == 5
    assert ways.repeated == 2


def test_offsets_are_there_after_a_crash(ways):
    for offset in range(4):
        code(ways, offset=offset)
    before = ways.known.groups.shard_of("g").offsets.snapshot()
    ways.each(lambda broker: broker.crash())
    assert ways.known.groups.shard_of("g").offsets.snapshot() == before
    assert ways.repeated == 3


def test_several_partitions_are_read_each_time(ways):
    two = [OffsetCommitRequestPartition(partition_index=index, committed_offset=1) for index in (0, 1)]
    request = OffsetCommitRequest(group_id="g", topics=[OffsetCommitRequestTopic(name=TOPIC, partitions=two)])
    for _ in range(3):
        ways.both(request, 9)
    assert not ways.repeated


def test_a_commit_that_waits_for_the_disk_is_left_to_the_handler(ways):
    frame = frame_of(commit_of(ways), 9)
    for _ in range(2):
        ways.both_to(frame)
    ways.known.metadata.set_configs(TOPIC_RESOURCE, OFFSETS_TOPIC, {"flush.messages": "1"})
    assert ways.is_left(frame)


def test_what_still_waits_for_the_disk_is_waited_for(ways):
    frame = frame_of(commit_of(ways), 9)
    ways.both_to(frame)
    for broker in ways.brokers:
        broker.background.hold = True
        broker.metadata.set_configs(TOPIC_RESOURCE, OFFSETS_TOPIC, {"flush.messages": "1"})
    assert isinstance(ways.both_to(frame), Deferred)
    for broker in ways.brokers:
        broker.metadata.set_configs(TOPIC_RESOURCE, OFFSETS_TOPIC, {"flush.messages": str(2**63 - 1)})
    assert ways.is_left(frame)


def test_a_full_disk_is_told(ways):
    code(ways)
    for full in (True, False):
        for broker in ways.brokers:
            broker.disk.full = full
        assert (code(ways) is ErrorCode.NONE) is not full
    assert ways.repeated == 2


def test_groups_that_are_gone_are_not_asked(ways):
    frame = frame_of(commit_of(ways), 9)
    ways.both_to(frame)
    ways.each(lambda broker: broker.groups.stop())
    assert ways.is_left(frame)
    ways.both_to(frame)


def test_no_more_than_so_many_are_known(tmp_path):
    broker = broker_for_groups(tmp_path)
    repeated = RepeatedCommits(broker.services())
    committed = OffsetCommitRequestPartition(partition_index=0, committed_offset=1)
    for number in range(KNOWN_MAX + 10):
        topics = [OffsetCommitRequestTopic(name=TOPIC, partitions=[committed])]
        frame = memoryview(frame_of(OffsetCommitRequest(group_id=str(number), topics=topics), 9))
        body_at = read_request_head(frame, {ApiKey.OFFSET_COMMIT: 8})[-1]
        context = RequestContext(ApiKey.OFFSET_COMMIT, 9, 1, "c", connection_info())
        repeated.learn(frame, body_at, decode(OffsetCommitRequest, frame, 9, body_at), context)
    assert len(repeated._known) == 10


numbers = itertools.count()
commits = st.fixed_dictionaries(
    {
        "version": st.sampled_from([2, 6, 7, 8, 9, 10]),
        "offset": st.integers(-(2**63), 2**63 - 1),
        "topic": st.sampled_from([TOPIC, TOPIC, "u"]),
        "partition": st.sampled_from([0, 0, 1, 5]),
        "epoch": st.sampled_from([-1, -1, 3]),
        "metadata": st.sampled_from(["", "", None, "m", "\N{SNOWMAN}"]),
        "client": st.sampled_from(["c", None]),
        "correlation_id": st.integers(-(2**31), 2**31 - 1),
        "group_id": st.sampled_from(["g", "g", "h", ""]),
        "retention_time_ms": st.sampled_from([-1, -1, 1000]),
        "generation_id_or_member_epoch": st.sampled_from([-1, -1, 1, 2]),
        "is_member": st.booleans(),
    }
)
steps = st.one_of(
    commits,
    commits,
    st.sampled_from(["join", "join static", "delete", "create", "disk full", "disk has room"]),
    st.sampled_from([1, 5_000, 20_000]),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(st.lists(steps, min_size=2, max_size=16))
def test_any_commits_are_answered_as_if_they_were_read(tmp_path, script):
    ways = group_ways(tmp_path / str(next(numbers)))
    member = {}
    for step in script:
        if isinstance(step, int):
            ways.advance(step)
        elif isinstance(step, str):
            member = _happen(ways, step) or member
        else:
            _commit(ways, step, member)


def _happen(ways, what):
    if what.startswith("disk"):
        for broker in ways.brokers:
            broker.disk.full = what == "disk full"
    if ways.known.disk.full and what in ("delete", "create"):
        return None
    topics = ways.known.metadata.image.topics_by_name
    if what in ("join", "join static"):
        return member_of(ways, "i" if what == "join static" else None)
    if what == "delete" and TOPIC in topics:
        ways.each(lambda broker: broker.metadata.delete_topic(broker.metadata.image.topics_by_name[TOPIC]))
    elif what == "create" and TOPIC not in topics:
        ways.each(lambda broker: broker.create(TOPIC, 2))
    return None


def _commit(ways, step, member):
    said = dict(step)
    version, client, correlation_id = said.pop("version"), said.pop("client"), said.pop("correlation_id")
    if said.pop("is_member"):
        said.update(member)
    if version > 4:
        said["retention_time_ms"] = -1
    frame = frame_of(commit_of(ways, version, **said), version, client=client, correlation_id=correlation_id)
    ways.both_to(frame)
    ways.both_to(frame)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(st.integers(0, 200), st.binary(max_size=3), st.sampled_from([2, 5, 6, 8, 9, 10]), st.booleans())
def test_any_bytes_are_answered_as_if_they_were_read(tmp_path, at, inserted, version, is_known_first):
    """A commit that is known, changed in some place: both say the same of it."""
    ways = group_ways(tmp_path / str(next(numbers)))
    frame = frame_of(commit_of(ways, version), version)
    if is_known_first:
        ways.both_to(frame)
    place = at % len(frame)
    changed = frame[:place] + inserted + frame[place + 1 :]
    for asked in (changed, changed, frame):
        ways.both_to(asked)
