"""Lives of groups, from the first member to the last."""

from __future__ import annotations

from ottla.protocol.messages.consumer_group_describe import ConsumerGroupDescribeRequest
from ottla.protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest, TopicPartitions
from ottla.protocol.messages.delete_groups import DeleteGroupsRequest
from ottla.protocol.messages.describe_groups import DescribeGroupsRequest
from ottla.protocol.messages.leave_group import LeaveGroupRequest, MemberIdentity
from ottla.protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestGroup

from ..case import Answer, On, Parked
from ..group_requests import RANGE, beat, commit, consumer_member, join, subscription, sync


def _leave(group, member):
    return LeaveGroupRequest(group_id=group, members=[MemberIdentity(member_id=member)])


def _offsets(group):
    return OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id=group, topics=None)])


def one_member_from_join_to_leave(w):
    group, topic = w.group(), w.topic()
    asked = yield join(group)
    joined = yield join(group, asked.member_id)
    member, generation = joined.member_id, joined.generation_id
    yield DescribeGroupsRequest(groups=[group])
    yield sync(group, generation, member, [(member, b"all")])
    yield DescribeGroupsRequest(groups=[group])
    yield beat(group, generation, member)
    yield commit(group, topic, (0, 5), generation=generation, member=member)
    yield _offsets(group)
    yield _leave(group, member)
    yield DescribeGroupsRequest(groups=[group])
    yield beat(group, generation, member)
    yield _offsets(group)
    yield DeleteGroupsRequest(groups_names=[group])
    yield _offsets(group)
    yield DescribeGroupsRequest(groups=[group])


def a_rebalance_of_two(w):
    group = w.group()
    other = (("range", subscription("u")),)
    asked = yield join(group)
    leader = yield join(group, asked.member_id)
    yield sync(group, leader.generation_id, leader.member_id, [(leader.member_id, b"1")])
    follower = yield On("second", join(group, protocols=other))
    yield Parked("second", join(group, follower.member_id, other))
    w.until(lambda: w.ask(beat(group, leader.generation_id, leader.member_id)).error_code, "the group rebalances")
    yield beat(group, leader.generation_id, leader.member_id)
    again = yield join(group, leader.member_id)
    yield Answer("second")
    yield Parked("second", sync(group, again.generation_id, follower.member_id))
    both = [(leader.member_id, b"a"), (follower.member_id, b"b")]
    yield sync(group, again.generation_id, leader.member_id, both)
    yield Answer("second")
    yield DescribeGroupsRequest(groups=[group])
    yield _leave(group, follower.member_id)
    yield beat(group, again.generation_id, leader.member_id)
    alone = yield join(group, leader.member_id)
    yield beat(group, alone.generation_id, leader.member_id)
    yield sync(group, again.generation_id, leader.member_id)
    yield sync(group, alone.generation_id, leader.member_id, [(leader.member_id, b"all")])
    yield _leave(group, leader.member_id)


def what_is_shown_during_a_rebalance(w):
    group = w.group()
    asked = yield join(group)
    first = yield join(group, asked.member_id)
    yield DescribeGroupsRequest(groups=[group])
    yield sync(group, first.generation_id, first.member_id, [(first.member_id, b"all")])
    second = yield On("second", join(group))
    yield Parked("second", join(group, second.member_id))
    w.until(lambda: w.ask(beat(group, first.generation_id, first.member_id)).error_code, "the group rebalances")
    yield DescribeGroupsRequest(groups=[group])
    again = yield join(group, first.member_id)
    yield Answer("second")
    yield DescribeGroupsRequest(groups=[group])
    yield sync(group, again.generation_id, first.member_id, [(first.member_id, b"a"), (second.member_id, b"b")])
    yield DescribeGroupsRequest(groups=[group])


def a_member_that_asks_and_never_comes(w):
    group = w.group()
    yield join(group)
    asked = yield join(group)
    joined = yield join(group, asked.member_id)
    yield sync(group, joined.generation_id, joined.member_id, [(joined.member_id, b"x")])
    yield DescribeGroupsRequest(groups=[group])


def a_static_member_that_restarts(w):
    group = w.group()
    first = yield join(group, instance="i")
    given = [(first.member_id, b"mine")]
    yield sync(group, first.generation_id, first.member_id, given, instance="i")
    again = yield join(group, instance="i")
    yield sync(group, again.generation_id, again.member_id, instance="i")
    yield beat(group, again.generation_id, again.member_id, "i")
    yield beat(group, again.generation_id, first.member_id, "i")
    yield DescribeGroupsRequest(groups=[group])
    yield LeaveGroupRequest(group_id=group, members=[MemberIdentity(member_id="", group_instance_id="i")])
    yield DescribeGroupsRequest(groups=[group])


def protocols_and_votes(w):
    group = w.group()
    both = (("range", subscription("t")), ("roundrobin", subscription("t")))
    asked = yield join(group, protocols=both)
    leader = yield join(group, asked.member_id, both)
    yield sync(group, leader.generation_id, leader.member_id, [(leader.member_id, b"x")])
    only = (("roundrobin", subscription("u")),)
    second = yield On("second", join(group, protocols=only))
    yield Parked("second", join(group, second.member_id, only))
    w.until(lambda: w.ask(beat(group, leader.generation_id, leader.member_id)).error_code, "the group rebalances")
    yield join(group, leader.member_id, both)
    yield Answer("second")
    yield join(group, protocols=RANGE)


def offsets_of_nobody_become_a_groups(w):
    group, topic = w.group(), w.topic()
    yield commit(group, topic, (0, 7))
    yield DescribeGroupsRequest(groups=[group])
    asked = yield join(group)
    joined = yield join(group, asked.member_id)
    yield commit(group, topic, (0, 8))
    yield sync(group, joined.generation_id, joined.member_id, [(joined.member_id, b"x")])
    yield commit(group, topic, (0, 9), generation=joined.generation_id, member=joined.member_id)
    yield _offsets(group)
    yield DeleteGroupsRequest(groups_names=[group])
    yield _leave(group, joined.member_id)
    yield DeleteGroupsRequest(groups_names=[group])
    yield _offsets(group)


def a_consumer_group_that_grows_and_shrinks(w):
    group, topic = w.group(), w.known_topic(partitions=4)

    def heartbeat(member, epoch, owned=None):
        held = None if owned is None else [TopicPartitions(topic_id=topic.id, partitions=owned)]
        return ConsumerGroupHeartbeatRequest(
            group_id=group, member_id=member, member_epoch=epoch, topic_partitions=held
        )

    yield consumer_member(group, "a", topics=[topic.name])
    yield heartbeat("a", 2, [0, 1, 2, 3])
    yield consumer_member(group, "b", topics=[topic.name])
    yield ConsumerGroupDescribeRequest(group_ids=[group])
    given = yield heartbeat("a", 2)
    kept = sorted(index for topics in given.assignment.topic_partitions for index in topics.partitions)
    yield heartbeat("b", 3)
    yield heartbeat("a", 2, kept)
    yield heartbeat("b", 3)
    yield ConsumerGroupDescribeRequest(group_ids=[group])
    yield heartbeat("a", -1)
    yield heartbeat("b", 3)
    yield heartbeat("b", 4)
    yield heartbeat("b", -1)
    yield ConsumerGroupDescribeRequest(group_ids=[group])
    yield DeleteGroupsRequest(groups_names=[group])
    yield ConsumerGroupDescribeRequest(group_ids=[group])
