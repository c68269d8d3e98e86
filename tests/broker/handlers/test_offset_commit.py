"""OffsetCommit, OffsetFetch and OffsetDelete in every version; codes are those of Kafka 4.3.1 to the same requests."""

from __future__ import annotations

import pytest
from ottla.broker.handlers import offset_commit, offset_delete, offset_fetch
from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from ottla.protocol.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
)
from ottla.protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopic,
    OffsetFetchRequestTopics,
)

from ..group_broker import OFFSETS_TOPIC, GroupBroker


@pytest.fixture
def broker(tmp_path):
    broker = GroupBroker(tmp_path)
    broker.create("t", 2)
    broker.metadata.ensure_internal_topic(OFFSETS_TOPIC)
    return broker


def topic_id(broker, name="t"):
    return broker.metadata.image.topics_by_name[name].topic_id


def commit(broker, offsets, version=9, topic="t", **fields):
    """Commit {partition: offset}; the code of each."""
    partitions = [
        OffsetCommitRequestPartition(
            partition_index=index, committed_offset=offset, committed_leader_epoch=3, committed_metadata="meta"
        )
        for index, offset in offsets.items()
    ]
    wanted = OffsetCommitRequestTopic(name=topic, partitions=partitions)
    if version >= 10:
        wanted = OffsetCommitRequestTopic(
            topic_id=topic_id(broker) if topic == "t" else topic.encode().ljust(16), partitions=partitions
        )
    answer = broker.ask(offset_commit, OffsetCommitRequest(group_id="g", topics=[wanted], **fields), version)
    [answered] = answer.topics
    assert (answered.name, answered.topic_id) == (wanted.name, wanted.topic_id)
    return {partition.partition_index: ErrorCode(partition.error_code).name for partition in answered.partitions}


@pytest.mark.parametrize("version", range(2, 11))
def test_every_version_commits(broker, version):
    codes = commit(broker, {0: 5, 1: -7, 2: 1, -1: 1}, version)
    unknown = "UNKNOWN_TOPIC_OR_PARTITION"
    assert codes == {0: "NONE", 1: "NONE", 2: unknown, -1: unknown}
    kept = broker.groups.shard_of("g").offsets.get("g", "t", 0)
    assert (kept.offset, kept.metadata, kept.leader_epoch) == (5, "meta", 3 if version >= 6 else -1)
    assert kept.topic_id == topic_id(broker)
    assert kept.expire_timestamp_ms == -1


@pytest.mark.parametrize("version", range(2, 11))
def test_an_unknown_topic(broker, version):
    unknown = "UNKNOWN_TOPIC_ID" if version >= 10 else "UNKNOWN_TOPIC_OR_PARTITION"
    # The group is not even asked, whatever is wrong with it.
    assert commit(broker, {0: 5}, version, "gone", generation_id_or_member_epoch=4) == {0: unknown}
    assert list(broker.groups.groups()) == []


@pytest.mark.parametrize("version", range(2, 5))
def test_a_retention_of_its_own(broker, version):
    assert commit(broker, {0: 5}, version, retention_time_ms=1000) == {0: "NONE"}
    kept = broker.groups.shard_of("g").offsets.get("g", "t", 0)
    assert kept.expire_timestamp_ms == broker.clock.now_ms() + 1000
    broker.crash()
    assert broker.groups.shard_of("g").offsets.get("g", "t", 0) == kept


@pytest.mark.parametrize("version", range(2, 11))
def test_a_generation_without_a_group(broker, version):
    code = "GROUP_ID_NOT_FOUND" if version >= 9 else "ILLEGAL_GENERATION"
    assert commit(broker, {0: 5}, version, generation_id_or_member_epoch=1, member_id="m") == {0: code}


def test_metadata_too_large_fails_alone(broker):
    partitions = [
        OffsetCommitRequestPartition(partition_index=0, committed_offset=1, committed_metadata="x" * 4097),
        OffsetCommitRequestPartition(partition_index=1, committed_offset=1, committed_metadata="x" * 4096),
    ]
    wanted = OffsetCommitRequestTopic(name="t", partitions=partitions)
    answer = broker.ask(offset_commit, OffsetCommitRequest(group_id="g", topics=[wanted]), 9)
    assert [p.error_code for p in answer.topics[0].partitions] == [ErrorCode.OFFSET_METADATA_TOO_LARGE, 0]


def test_null_metadata_is_empty(broker):
    partition = OffsetCommitRequestPartition(partition_index=0, committed_offset=1, committed_metadata=None)
    wanted = OffsetCommitRequestTopic(name="t", partitions=[partition])
    broker.ask(offset_commit, OffsetCommitRequest(group_id="", topics=[wanted]), 9)
    assert broker.groups.shard_of("").offsets.get("", "t", 0).metadata == ""


def test_nothing_to_commit(broker):
    assert broker.ask(offset_commit, OffsetCommitRequest(group_id="g", generation_id_or_member_epoch=9), 9).topics == []


# ---- OffsetFetch


def fetch_old(broker, version, topics, group_id="g"):
    wanted = None
    if topics is not None:
        wanted = [OffsetFetchRequestTopic(name=name, partition_indexes=indexes) for name, indexes in topics]
    answer = broker.ask(offset_fetch, OffsetFetchRequest(group_id=group_id, topics=wanted), version)
    assert answer.error_code == 0
    return plain(answer.topics)


def fetch(broker, version, topics, group_id="g"):
    wanted = None
    if topics is not None:
        wanted = [
            OffsetFetchRequestTopics(
                name=name, topic_id=name if version >= 10 else bytes(16), partition_indexes=indexes
            )
            if version < 10
            else OffsetFetchRequestTopics(topic_id=name, partition_indexes=indexes)
            for name, indexes in topics
        ]
    groups = [OffsetFetchRequestGroup(group_id=group_id, topics=wanted)]
    [answer] = broker.ask(offset_fetch, OffsetFetchRequest(groups=groups), version).groups
    assert (answer.group_id, answer.error_code) == (group_id, 0)
    return plain(answer.topics)


def plain(topics):
    return {
        (topic.name or topic.topic_id, partition.partition_index): (
            partition.committed_offset,
            partition.committed_leader_epoch,
            partition.metadata,
            partition.error_code,
        )
        for topic in topics
        for partition in topic.partitions
    }


NONE = (-1, -1, "", 0)


@pytest.mark.parametrize("version", range(1, 8))
def test_old_versions_fetch(broker, version):
    commit(broker, {0: 5})
    kept = (5, 3 if version >= 5 else -1, "meta", 0)
    found = fetch_old(broker, version, [("t", [0, 1, 9]), ("gone", [0])])
    assert found == {("t", 0): kept, ("t", 1): NONE, ("t", 9): NONE, ("gone", 0): NONE}
    assert fetch_old(broker, version, [("t", [0])], "nobody") == {("t", 0): NONE}
    if version >= 2:
        assert fetch_old(broker, version, None) == {("t", 0): kept}
        assert fetch_old(broker, version, None, "nobody") == {}


@pytest.mark.parametrize("version", [8, 9])
def test_versions_of_many_groups_fetch(broker, version):
    commit(broker, {0: 5})
    kept = (5, 3, "meta", 0)
    assert fetch(broker, version, [("t", [0, 1]), ("gone", [0])]) == {
        ("t", 0): kept,
        ("t", 1): NONE,
        ("gone", 0): NONE,
    }
    assert fetch(broker, version, None) == {("t", 0): kept}
    assert fetch(broker, version, []) == {}
    assert fetch(broker, version, None, "nobody") == {}


def test_by_topic_id(broker):
    commit(broker, {0: 5})
    known, unknown = topic_id(broker), b"nobody's topicid"
    assert fetch(broker, 10, [(known, [0, 1]), (unknown, [0])]) == {
        (known, 0): (5, 3, "meta", 0),
        (known, 1): NONE,
        (unknown, 0): (-1, -1, "", ErrorCode.UNKNOWN_TOPIC_ID),
    }
    assert fetch(broker, 10, None) == {(known, 0): (5, 3, "meta", 0)}


def test_two_groups_at_once(broker):
    commit(broker, {0: 5})
    groups = [OffsetFetchRequestGroup(group_id=name, topics=None) for name in ("g", "nobody")]
    answer = broker.ask(offset_fetch, OffsetFetchRequest(groups=groups), 9)
    assert [(group.group_id, len(group.topics)) for group in answer.groups] == [("g", 1), ("nobody", 0)]


def test_not_before_there_is_a_coordinator(tmp_path):
    broker = GroupBroker(tmp_path)
    one = [OffsetFetchRequestTopic(name="t", partition_indexes=[0])]
    old = broker.ask(offset_fetch, OffsetFetchRequest(group_id="g", topics=one), 1)
    assert old.topics[0].partitions[0].error_code == ErrorCode.NOT_COORDINATOR
    assert broker.ask(offset_fetch, OffsetFetchRequest(group_id="g"), 5).error_code == ErrorCode.NOT_COORDINATOR
    groups = [OffsetFetchRequestGroup(group_id="g", topics=None)]
    [new] = broker.ask(offset_fetch, OffsetFetchRequest(groups=groups), 9).groups
    assert new.error_code == ErrorCode.NOT_COORDINATOR


# ---- OffsetDelete


def delete(broker, *places, group_id="g"):
    wanted = [
        OffsetDeleteRequestTopic(name=topic, partitions=[OffsetDeleteRequestPartition(partition_index=index)])
        for topic, index in places
    ]
    answer = broker.ask(offset_delete, OffsetDeleteRequest(group_id=group_id, topics=wanted), 0)
    codes = {(t.name, p.partition_index): ErrorCode(p.error_code).name for t in answer.topics for p in t.partitions}
    return ErrorCode(answer.error_code).name, codes


def test_delete(broker):
    commit(broker, {0: 5, 1: 6})
    unknown = "UNKNOWN_TOPIC_OR_PARTITION"
    codes = {("t", 0): "NONE", ("t", 9): unknown, ("gone", 0): unknown}
    assert delete(broker, ("t", 0), ("t", 9), ("gone", 0)) == ("NONE", codes)
    broker.crash()
    assert fetch(broker, 9, None) == {("t", 1): (6, 3, "meta", 0)}
    assert delete(broker, ("t", 0)) == ("NONE", {("t", 0): "NONE"})


def test_delete_of_no_group(broker):
    assert delete(broker, ("t", 0), group_id="nobody") == ("GROUP_ID_NOT_FOUND", {})
    assert delete(broker, ("gone", 0), group_id="nobody") == ("GROUP_ID_NOT_FOUND", {})
    assert delete(broker, ("t", 0), group_id="") == ("INVALID_GROUP_ID", {})
