"""ConsumerGroupHeartbeat and ConsumerGroupDescribe through their handlers, over real logs."""

from __future__ import annotations

import pytest
from ottla.broker.handlers import (
    consumer_group_describe,
    consumer_group_heartbeat,
    delete_groups,
    describe_groups,
    list_groups,
    offset_commit,
    offset_fetch,
)
from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.consumer_group_describe import ConsumerGroupDescribeRequest
from ottla.protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest, TopicPartitions
from ottla.protocol.messages.delete_groups import DeleteGroupsRequest
from ottla.protocol.messages.describe_groups import DescribeGroupsRequest
from ottla.protocol.messages.list_groups import ListGroupsRequest
from ottla.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from ottla.protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
)
from ottla.protocol.stored.metadata import FeatureLevelRecord

from ..group_broker import OFFSETS_TOPIC, GroupBroker

SESSION_MS = 45_000
NOT_ASKED_FOR = -(2**31)


@pytest.fixture
def broker(tmp_path):
    return started(tmp_path)


def started(folder, *options):
    broker = GroupBroker(folder, "group.consumer.assignment.interval.ms=0", *options)
    broker.create("t", 2)
    broker.metadata.ensure_internal_topic(OFFSETS_TOPIC)
    return broker


def beat(broker, member="m", epoch=0, *, version=1, group="g", **said):
    if epoch == 0:
        said = {"rebalance_timeout_ms": 1_000, "subscribed_topic_names": ["t"], "topic_partitions": [], **said}
    request = ConsumerGroupHeartbeatRequest(group_id=group, member_id=member, member_epoch=epoch, **said)
    return broker.ask(consumer_group_heartbeat, request, version)


def describe(broker, *groups, version=1, with_operations=False):
    request = ConsumerGroupDescribeRequest(group_ids=list(groups), include_authorized_operations=with_operations)
    return broker.ask(consumer_group_describe, request, version).groups


def topic_id(broker):
    return broker.metadata.image.topics_by_name["t"].topic_id


@pytest.mark.parametrize("version", [0, 1])
def test_joins_stays_and_leaves(broker, version):
    answer = beat(broker, version=version)
    assert (answer.error_code, answer.error_message, answer.member_id, answer.member_epoch) == (0, None, "m", 2)
    [assigned] = answer.assignment.topic_partitions
    assert (assigned.topic_id, assigned.partitions) == (topic_id(broker), [0, 1])
    answer = beat(broker, epoch=2, version=version)
    assert (answer.error_code, answer.member_epoch, answer.assignment) == (0, 2, None)
    assert beat(broker, epoch=-1, version=version).member_epoch == -1
    assert beat(broker, epoch=2, version=version).error_code == ErrorCode.UNKNOWN_MEMBER_ID


def test_before_the_topic_of_groups_is_there(tmp_path):
    broker = GroupBroker(tmp_path)
    assert beat(broker).error_code == ErrorCode.NOT_COORDINATOR
    assert describe(broker, "g")[0].error_code == ErrorCode.NOT_COORDINATOR


def test_what_is_wrong_with_a_request_is_said_before_the_group_is_asked(broker):
    answer = beat(broker, member=" ")
    assert (answer.error_code, answer.error_message) == (ErrorCode.INVALID_REQUEST, "MemberId can't be empty.")


def test_everything_acknowledged_is_there_after_a_crash(broker):
    beat(broker)
    before = describe(broker, "g")
    broker.crash()
    assert describe(broker, "g") == before
    assert beat(broker, epoch=2).error_code == 0


def test_a_session_ends(broker):
    beat(broker)
    broker.advance(SESSION_MS - 1)
    beat(broker, epoch=2)
    broker.advance(SESSION_MS - 1)
    assert beat(broker, epoch=2).error_code == 0
    broker.advance(SESSION_MS + 1)
    assert beat(broker, epoch=2).error_code == ErrorCode.UNKNOWN_MEMBER_ID


def test_topics_that_are_created_and_deleted_reach_their_groups(broker):
    beat(broker, subscribed_topic_names=["t", "later"])
    broker.create("later", 1)
    answer = beat(broker, epoch=2)
    assert answer.member_epoch == 3
    assert len(answer.assignment.topic_partitions) == 2
    broker.metadata.delete_topic(broker.metadata.image.topics_by_name["later"])
    owned = [TopicPartitions(topic_id=topic_id(broker), partitions=[0, 1])]
    answer = beat(broker, epoch=3, topic_partitions=owned)
    assert (answer.member_epoch, len(answer.assignment.topic_partitions)) == (4, 1)


@pytest.mark.parametrize("off", ["config", "feature"])
def test_where_consumer_groups_are_not_served(tmp_path, off):
    broker = started(tmp_path, *(["group.coordinator.rebalance.protocols=classic"] if off == "config" else []))
    if off == "feature":
        broker.metadata.image.replay(FeatureLevelRecord(name="group.version", feature_level=0))
    assert beat(broker).error_code == ErrorCode.UNSUPPORTED_VERSION
    assert [group.error_code for group in describe(broker, "g", "h")] == [ErrorCode.UNSUPPORTED_VERSION] * 2


class TestDescribe:
    def test_a_member_in_full(self, broker):
        beat(broker, instance_id="i", rack_id="r", server_assignor="range", subscribed_topic_regex="x.*")
        beat(broker, epoch=1, instance_id="i")
        [group] = describe(broker, "g")
        assert (group.error_code, group.error_message, group.group_id) == (0, None, "g")
        assert (group.group_state, group.group_epoch, group.assignment_epoch) == ("Stable", 2, 2)
        assert (group.assignor_name, group.authorized_operations) == ("range", NOT_ASKED_FOR)
        [member] = group.members
        assert (member.member_id, member.instance_id, member.rack_id, member.member_epoch) == ("m", "i", "r", 2)
        assert (member.client_id, member.client_host) == ("test", "/127.0.0.1")
        assert (member.subscribed_topic_names, member.subscribed_topic_regex) == (["t"], "x.*")
        assert member.member_type == 1
        for assignment in (member.assignment, member.target_assignment):
            [topic] = assignment.topic_partitions
            assert (topic.topic_id, topic.topic_name, topic.partitions) == (topic_id(broker), "t", [0, 1])

    def test_what_a_member_must_give_up_is_still_its_own(self, broker):
        beat(broker, "a")
        beat(broker, "b")
        beat(broker, "a", 2)
        [group] = describe(broker, "g")
        assert group.group_state == "Reconciling"
        had = {member.member_id: member.assignment.topic_partitions for member in group.members}
        assert [topic.partitions for topic in had["a"]] == [[0, 1]]
        assert had["b"] == []

    def test_the_default_assignor_is_named_where_nobody_asks_for_one(self, tmp_path):
        broker = started(tmp_path, "group.consumer.assignors=range,uniform")
        beat(broker)
        assert describe(broker, "g")[0].assignor_name == "range"

    def test_operations_are_shown_when_asked_for(self, broker):
        beat(broker)
        [there, missing] = describe(broker, "g", "none", with_operations=True)
        assert there.authorized_operations != NOT_ASKED_FOR
        assert missing.authorized_operations == NOT_ASKED_FOR

    def test_groups_that_cannot_be_described(self, broker):
        commit(broker, "simple", "", -1)
        codes = [(group.error_code, group.error_message) for group in describe(broker, "", "none", "simple")]
        assert codes == [
            (ErrorCode.INVALID_GROUP_ID, None),
            (ErrorCode.GROUP_ID_NOT_FOUND, "Group none not found."),
            (ErrorCode.GROUP_ID_NOT_FOUND, "Group simple is not a consumer group."),
        ]


def test_the_older_describe_sees_no_consumer_group(broker):
    beat(broker)
    [group] = broker.ask(describe_groups, DescribeGroupsRequest(groups=["g"]), 6).groups
    assert (group.group_state, group.error_code) == ("Dead", ErrorCode.GROUP_ID_NOT_FOUND)
    assert group.error_message == "Group g is not a classic group."
    [group] = broker.ask(describe_groups, DescribeGroupsRequest(groups=["g"]), 5).groups
    assert (group.group_state, group.error_code) == ("Dead", 0)


@pytest.mark.parametrize(
    ("states", "types", "names"),
    [
        ([], [], ["g", "simple"]),
        ([], ["Consumer"], ["g"]),
        ([], ["classic"], ["simple"]),
        (["stable"], [], ["g"]),
        (["Empty"], ["consumer"], []),
        ([], ["share"], []),
    ],
)
def test_lists_by_state_and_type(broker, states, types, names):
    beat(broker)
    commit(broker, "simple", "", -1)
    answer = broker.ask(list_groups, ListGroupsRequest(states_filter=states, types_filter=types), 5)
    assert sorted(group.group_id for group in answer.groups) == names
    for group in answer.groups:
        if group.group_id == "g":
            assert (group.group_type, group.protocol_type, group.group_state) == ("consumer", "consumer", "Stable")


def commit(broker, group, member, epoch):
    partition = OffsetCommitRequestPartition(partition_index=0, committed_offset=7)
    request = OffsetCommitRequest(
        group_id=group,
        member_id=member,
        generation_id_or_member_epoch=epoch,
        topics=[OffsetCommitRequestTopic(name="t", partitions=[partition])],
    )
    return broker.ask(offset_commit, request, 9).topics[0].partitions[0].error_code


def fetch(broker, member, epoch):
    asked = OffsetFetchRequestTopics(name="t", partition_indexes=[0])
    group = OffsetFetchRequestGroup(group_id="g", member_id=member, member_epoch=epoch, topics=[asked])
    [answer] = broker.ask(offset_fetch, OffsetFetchRequest(groups=[group]), 9).groups
    found = [partition.committed_offset for topic in answer.topics for partition in topic.partitions]
    return answer.error_code, found


def test_offsets_by_member_epoch(broker):
    beat(broker)
    assert commit(broker, "g", "m", 1) == ErrorCode.STALE_MEMBER_EPOCH
    assert commit(broker, "g", "m", 2) == ErrorCode.NONE
    assert fetch(broker, "m", 2) == (0, [7])
    assert fetch(broker, None, -1) == (0, [7])
    assert fetch(broker, "m", 1) == (ErrorCode.STALE_MEMBER_EPOCH, [])
    assert fetch(broker, "who", 2) == (ErrorCode.UNKNOWN_MEMBER_ID, [])


def test_a_deleted_group_and_its_namesake(broker):
    beat(broker)
    request = DeleteGroupsRequest(groups_names=["g"])
    [result] = broker.ask(delete_groups, request, 2).results
    assert result.error_code == ErrorCode.NON_EMPTY_GROUP
    commit(broker, "g", "m", 2)
    beat(broker, epoch=-1)
    [result] = broker.ask(delete_groups, request, 2).results
    assert result.error_code == 0
    broker.crash()
    assert describe(broker, "g")[0].error_code == ErrorCode.GROUP_ID_NOT_FOUND
    assert fetch(broker, None, -1) == (0, [-1])
    assert beat(broker).member_epoch == 2


def test_a_full_disk_refuses_and_forgets_nothing(broker):
    beat(broker)
    broker.disk.full = True
    assert beat(broker, "other").error_code == ErrorCode.NOT_COORDINATOR
    broker.disk.full = False
    [member] = describe(broker, "g")[0].members
    assert member.member_id == "m"
    assert beat(broker, epoch=2).error_code == 0
