"""Lives of consumer groups (KIP-848): members on their way to their partitions, fenced, static, by pattern, mixed."""

from __future__ import annotations

import struct

from ottla.protocol.compiler import encode
from ottla.protocol.consumer_protocol import (
    ConsumerProtocolAssignment,
    ConsumerProtocolSubscription,
    ResponseTopicPartition,
    TopicPartition,
)
from ottla.protocol.messages.consumer_group_describe import ConsumerGroupDescribeRequest
from ottla.protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest, TopicPartitions
from ottla.protocol.messages.create_partitions import CreatePartitionsRequest, CreatePartitionsTopic
from ottla.protocol.messages.delete_groups import DeleteGroupsRequest
from ottla.protocol.messages.describe_groups import DescribeGroupsRequest
from ottla.protocol.messages.leave_group import LeaveGroupRequest, MemberIdentity
from ottla.protocol.messages.list_groups import ListGroupsRequest
from ottla.protocol.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
)
from ottla.protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
)

from ..case import At
from ..group_requests import beat, commit, consumer_member, join, sync

_PROTOCOL_VERSION = 1


class _Members:
    """The heartbeats of one group that reads one topic."""

    def __init__(self, w, partitions=4):
        self.w = w
        self.group = w.group()
        self.topic = w.known_topic(partitions=partitions)

    def joins(self, member, **said):
        said = {"topics": [self.topic.name], **said}
        return consumer_member(self.group, member, **said)

    def beat(self, member, epoch, owned=None, **said):
        held = None if owned is None else [TopicPartitions(topic_id=self.topic.id, partitions=list(owned))]
        return ConsumerGroupHeartbeatRequest(
            group_id=self.group, member_id=member, member_epoch=epoch, topic_partitions=held, **said
        )

    def until_told(self, member, epoch, owned=None):
        """Heartbeats that are no part of the transcript, until the member is told of other partitions."""

        def told():
            answer = self.w.ask(self.beat(member, epoch, owned))
            return answer if answer.assignment is not None or answer.member_epoch != epoch else None

        return self.w.until(told, f"{member} is told something new")

    def until_given(self, member, epoch):
        """Heartbeats that are no part of the transcript, until the member is given partitions; its epoch then."""
        latest = epoch

        def given():
            nonlocal latest
            answer = self.w.ask(self.beat(member, latest))
            latest = answer.member_epoch
            return answer.assignment is not None and answer.assignment.topic_partitions

        self.w.until(given, f"{member} is given something")
        return latest

    def described(self):
        return ConsumerGroupDescribeRequest(group_ids=[self.group])


def _given(answer):
    return sorted(index for topics in answer.assignment.topic_partitions for index in topics.partitions)


def three_members_one_after_the_other(w):
    g = _Members(w, 6)
    yield g.joins("a")
    yield g.joins("b")
    kept = _given((yield g.beat("a", 2)))
    yield g.beat("a", 2)
    yield g.beat("b", 3)
    yield g.beat("a", 2, kept)
    yield g.beat("b", 3)
    yield g.joins("c")
    yield g.described()
    kept_a = _given((yield g.beat("a", 3)))
    kept_b = _given((yield g.beat("b", 3)))
    yield g.beat("c", 4)
    yield g.beat("a", 3, kept_a)
    yield g.beat("c", 4)
    yield g.beat("b", 3, kept_b)
    yield g.beat("c", 4)
    yield g.described()
    yield g.beat("b", -1)
    yield g.beat("a", 4)
    yield g.beat("c", 4)
    yield g.described()


def giving_up_in_steps(w):
    g = _Members(w, 4)
    yield g.joins("a")
    yield g.joins("b")
    kept = _given((yield g.beat("a", 2)))
    gone = [index for index in range(4) if index not in kept]
    yield g.beat("a", 2, [*kept, *gone])
    yield g.beat("a", 2, [*kept, gone[0]])
    yield g.beat("b", 3)
    yield g.beat("a", 2, gone)
    yield g.beat("a", 2, kept[:1])
    yield g.beat("b", 3)
    yield g.described()


def epochs_and_who_has_what(w):
    g = _Members(w, 4)
    yield g.joins("a")
    yield g.joins("b")
    kept = _given((yield g.beat("a", 2)))
    yield g.beat("a", 2, kept)
    yield g.beat("b", 3)
    # The answer that brought it to epoch 3 was lost: with no more than it has it may say so.
    yield g.beat("a", 2, kept)
    yield g.beat("a", 2, kept[:1])
    yield g.beat("a", 2, [])
    yield g.beat("a", 2)
    yield g.beat("a", 2, [0, 1, 2, 3])
    yield g.beat("a", 1, kept)
    yield g.beat("a", 4, kept)
    yield g.beat("a", 3, kept)
    yield g.joins("a")
    yield g.beat("b", 3)
    yield g.beat("nobody", 3)
    yield g.described()


def commits_of_every_epoch(w):
    g = _Members(w, 2)
    yield g.joins("a")
    yield g.joins("b")
    [kept] = _given((yield g.beat("a", 2)))
    given = 1 - kept
    yield g.beat("a", 2, [kept])
    yield g.beat("b", 3)
    for epoch in (-1, 0, 1, 2, 3, 4):
        yield commit(g.group, g.topic, (kept, 1), generation=epoch, member="a")
        yield commit(g.group, g.topic, (given, 2), generation=epoch, member="a")
        yield commit(g.group, g.topic, (given, 3), generation=epoch, member="b")
        yield commit(g.group, g.topic, (given, 4), generation=epoch, member="nobody")
    yield commit(g.group, g.topic, (0, 5))
    yield commit(g.group, g.topic, (0, 1), (1, 1), generation=2, member="a")
    yield At(commit(g.group, g.topic, (kept, 6), generation=3, member="a"), 8)
    topics = [OffsetFetchRequestTopics(name=g.topic.name, topic_id=g.topic.id, partition_indexes=[0, 1])]
    for member, epoch in (("a", 3), ("a", 2), ("a", 4), ("nobody", 3), (None, -1)):
        of = OffsetFetchRequestGroup(group_id=g.group, member_id=member, member_epoch=epoch, topics=topics)
        yield OffsetFetchRequest(groups=[of])


def static_members_that_come_back(w):
    g = _Members(w, 4)
    yield g.joins("a", instance_id="i")
    yield g.joins("b", instance_id="j")
    kept = _given((yield g.beat("a", 2, instance_id="i")))
    yield g.beat("a", 2, kept, instance_id="i")
    yield g.beat("b", 3, instance_id="j")
    yield g.joins("c", instance_id="i")
    yield g.beat("a", -2, instance_id="i")
    yield g.described()
    yield g.beat("b", 3, instance_id="j")
    yield g.beat("a", 3, instance_id="i")
    yield g.beat("a", -2, instance_id="i")
    yield g.joins("c", instance_id="i")
    yield g.beat("a", 3, instance_id="i")
    yield g.beat("c", 3, instance_id="j")
    yield g.beat("c", 3)
    yield g.beat("c", 3, kept, instance_id="i")
    yield g.described()
    yield g.beat("c", -1, instance_id="i")
    yield g.beat("b", 3, instance_id="j")
    yield g.described()


def a_static_member_that_comes_back_otherwise(w):
    g = _Members(w, 4)
    other = w.known_topic("u", partitions=2)
    yield g.joins("a", instance_id="i")
    yield g.joins("b")
    kept = _given((yield g.beat("a", 2, instance_id="i")))
    yield g.beat("a", 2, kept, instance_id="i")
    yield g.beat("b", 3)
    yield g.beat("a", -2, instance_id="i")
    yield g.joins("c", instance_id="i", topics=[g.topic.name, other.name])
    yield g.beat("b", 3)
    yield g.beat("c", -2, instance_id="i")
    yield g.beat("c", -1, instance_id="i")
    yield g.beat("c", -2, instance_id="i")
    yield g.beat("b", -2)
    yield g.described()


def subscriptions_that_change(w):
    g = _Members(w, 2)
    other = w.known_topic("u", partitions=2)
    both = [TopicPartitions(topic_id=topic.id, partitions=[0, 1]) for topic in (g.topic, other)]
    yield g.joins("a")
    yield g.beat("a", 2, subscribed_topic_names=[g.topic.name, other.name])
    yield g.beat("a", 3, subscribed_topic_names=[other.name])
    yield ConsumerGroupHeartbeatRequest(group_id=g.group, member_id="a", member_epoch=3, topic_partitions=both)
    yield ConsumerGroupHeartbeatRequest(group_id=g.group, member_id="a", member_epoch=3, topic_partitions=both[1:])
    yield g.described()
    yield g.beat("a", 4, subscribed_topic_names=[])
    yield g.beat("a", 4, [])
    yield g.described()
    yield g.beat("a", 5, subscribed_topic_names=[w.name("never")])
    yield g.beat("a", 6, rack_id="r", rebalance_timeout_ms=1)
    yield g.beat("a", 6, server_assignor="range")
    yield g.described()


def patterns(w):
    g = _Members(w, 2)
    pattern = w.prefix + "[tu]"
    yield g.joins("a", topics=None, subscribed_topic_regex="(")
    epoch = w.ask(g.joins("a", topics=[], subscribed_topic_regex=pattern)).member_epoch
    epoch = g.until_given("a", epoch)
    yield g.beat("a", epoch)
    yield g.beat("a", epoch, subscribed_topic_regex="[", subscribed_topic_names=[])
    yield g.beat("a", epoch, subscribed_topic_regex="")
    answer = yield g.beat("a", epoch, [])
    yield g.beat("a", answer.member_epoch, subscribed_topic_names=[g.topic.name])


def a_topic_that_grows(w):
    g = _Members(w, 1)
    yield g.joins("a")
    yield g.beat("a", 2, [0])
    w.ask(
        CreatePartitionsRequest(
            topics=[CreatePartitionsTopic(name=g.topic.name, count=3, assignments=None)], timeout_ms=30_000
        )
    )
    w.settle()
    grown = g.until_told("a", 2, [0])
    assert _given(grown) == [0, 1, 2]
    yield g.beat("a", grown.member_epoch, [0, 1, 2])
    w.delete(g.topic)
    w.until(lambda: w.ask(g.beat("a", grown.member_epoch)).assignment is not None, "the topic is gone")
    answer = w.ask(g.described()).groups[0]
    yield g.beat("a", answer.members[0].member_epoch, [])
    yield g.described()


def who_gives_nothing_up_is_out(w):
    g = _Members(w, 2)
    yield g.joins("a", timeout_ms=500)
    yield g.joins("b")
    yield g.beat("a", 2)
    w.until(lambda: w.ask(g.beat("a", 2)).error_code, "the time of a is over")
    yield g.beat("a", 2)
    yield g.beat("b", 3)
    last = w.ask(g.described()).groups[0]
    yield g.beat("b", last.members[0].member_epoch)
    yield g.described()


def assignors_by_votes(w):
    g = _Members(w, 4)
    yield g.joins("a", server_assignor="range")
    yield g.joins("b", server_assignor="uniform")
    yield g.described()
    yield g.joins("c", server_assignor="uniform")
    yield g.described()
    yield g.beat("b", 3, server_assignor="none")
    yield g.beat("a", -1)
    yield g.described()


def groups_in_use_and_groups_that_are_empty(w):
    g = _Members(w, 1)
    offsets = [OffsetDeleteRequestPartition(partition_index=0)]
    topics = [OffsetDeleteRequestTopic(name=g.topic.name, partitions=offsets)]
    yield g.joins("a")
    yield commit(g.group, g.topic, (0, 3), generation=2, member="a")
    yield OffsetDeleteRequest(group_id=g.group, topics=topics)
    yield DeleteGroupsRequest(groups_names=[g.group])
    yield ListGroupsRequest(types_filter=["consumer"], states_filter=["Stable"])
    yield g.beat("a", -1)
    yield g.described()
    yield commit(g.group, g.topic, (0, 4))
    yield OffsetDeleteRequest(group_id=g.group, topics=topics)
    yield ListGroupsRequest(types_filter=["consumer"])
    yield g.beat("a", 2)
    yield g.joins("b")
    yield g.beat("b", -1)
    yield DeleteGroupsRequest(groups_names=[g.group])
    yield g.described()


# ---- groups that change their protocol


def _subscription(topic, *owned):
    """What a classic consumer says when it joins: the topic it reads, and its partitions of it."""
    said = ConsumerProtocolSubscription(topics=[topic.name])
    if owned:
        said.owned_partitions = [TopicPartition(topic=topic.name, partitions=list(owned))]
    return (("range", struct.pack(">h", _PROTOCOL_VERSION) + encode(said, _PROTOCOL_VERSION)),)


def _assignment(topic, *partitions):
    given = [ResponseTopicPartition(topic=topic.name, partitions=list(partitions))]
    said = ConsumerProtocolAssignment(assigned_partitions=given)
    return struct.pack(">h", _PROTOCOL_VERSION) + encode(said, _PROTOCOL_VERSION)


def _classic(w, g):
    """A stable classic group of one member that has everything; no part of the transcript."""
    asked = w.ask(join(g.group, "", _subscription(g.topic)))
    joined = w.ask(join(g.group, asked.member_id, _subscription(g.topic)))
    everything = [(joined.member_id, _assignment(g.topic, 0, 1, 2, 3))]
    assert w.ask(sync(g.group, joined.generation_id, joined.member_id, everything)).error_code == 0
    return joined.member_id, joined.generation_id


def an_upgrade_with_a_member_in_it(w):
    g = _Members(w)
    old, generation = _classic(w, g)
    yield g.joins("new")
    yield g.described()
    yield DescribeGroupsRequest(groups=[g.group])
    yield beat(g.group, generation, old)
    yield commit(g.group, g.topic, (0, 1), generation=generation, member=old)
    again = yield join(g.group, old, _subscription(g.topic, 0, 1, 2, 3))
    yield sync(g.group, again.generation_id, old)
    yield beat(g.group, again.generation_id, old)
    yield g.beat("new", 2)
    last = yield join(g.group, old, _subscription(g.topic, 0, 1))
    yield sync(g.group, last.generation_id, old)
    yield g.beat("new", 2)
    yield beat(g.group, last.generation_id, old)
    yield g.described()
    yield ListGroupsRequest(types_filter=["consumer"])
    yield LeaveGroupRequest(group_id=g.group, members=[MemberIdentity(member_id=old)])
    yield g.beat("new", 2)
    yield g.described()


def _mixed(w, g):
    """A classic member and a consumer, both with their share; no part of the transcript."""
    old, _ = _classic(w, g)
    w.ask(g.joins("new"))
    again = w.ask(join(g.group, old, _subscription(g.topic, 0, 1, 2, 3)))
    w.ask(sync(g.group, again.generation_id, old))
    last = w.ask(join(g.group, old, _subscription(g.topic, 0, 1)))
    w.ask(sync(g.group, last.generation_id, old))
    w.ask(g.beat("new", 2))
    return old, last.generation_id


def a_downgrade_with_a_member_in_it(w):
    g = _Members(w)
    old, generation = _mixed(w, g)
    yield g.described()
    yield g.beat("new", -1)
    yield g.described()
    yield DescribeGroupsRequest(groups=[g.group])
    yield beat(g.group, generation, old)
    alone = yield join(g.group, old, _subscription(g.topic, 0, 1))
    yield sync(g.group, alone.generation_id, old, [(old, _assignment(g.topic, 0, 1, 2, 3))])
    yield DescribeGroupsRequest(groups=[g.group])
    yield beat(g.group, alone.generation_id, old)
    yield ListGroupsRequest(types_filter=["classic"])


def classic_requests_to_a_consumer_group(w):
    g = _Members(w)
    old, generation = _mixed(w, g)
    for member, epoch in ((old, generation - 1), (old, generation + 1), ("nobody", generation), ("new", generation)):
        yield beat(g.group, epoch, member)
        yield sync(g.group, epoch, member)
        yield commit(g.group, g.topic, (0, 1), generation=epoch, member=member)
        yield At(commit(g.group, g.topic, (0, 1), generation=epoch, member=member), 8)
    yield sync(g.group, generation, old, name="sticky")
    yield sync(g.group, generation, old, kind="connect")
    yield sync(g.group, generation, old)
    yield join(g.group, "nobody", _subscription(g.topic))
    yield join(g.group, old, (("sticky", b""),))
    yield join(g.group, old, _subscription(g.topic), kind="connect")
    yield join(g.group, old, (("range", b"\x00"),))
    yield LeaveGroupRequest(group_id=g.group, members=[MemberIdentity(member_id="nobody")])
    yield DeleteGroupsRequest(groups_names=[g.group])
    asked = yield join(g.group, "", _subscription(g.topic))
    yield join(g.group, asked.member_id, _subscription(g.topic))
    both = [MemberIdentity(member_id=old), MemberIdentity(member_id="new")]
    yield LeaveGroupRequest(group_id=g.group, members=both)
    yield g.described()


def an_empty_group_of_the_other_kind(w):
    g = _Members(w)
    old, _ = _classic(w, g)
    yield commit(g.group, g.topic, (0, 7), generation=1, member=old)
    w.ask(LeaveGroupRequest(group_id=g.group, members=[MemberIdentity(member_id=old)]))
    yield g.joins("new")
    yield g.described()
    yield g.beat("new", -1)
    asked = yield join(g.group, "", _subscription(g.topic))
    yield join(g.group, asked.member_id, _subscription(g.topic))
    yield DescribeGroupsRequest(groups=[g.group])
    yield OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id=g.group, topics=None)])


def an_upgrade_that_is_refused(w):
    g = _Members(w)
    asked = w.ask(join(g.group, "", (("mine", b"?"),), kind="mine"))
    w.ask(join(g.group, asked.member_id, (("mine", b"?"),), kind="mine"))
    yield g.joins("new")
    yield DescribeGroupsRequest(groups=[g.group])


def a_static_member_that_changes_its_protocol(w):
    g = _Members(w)
    joined = w.ask(join(g.group, "", _subscription(g.topic), instance="i"))
    everything = [(joined.member_id, _assignment(g.topic, 0, 1, 2, 3))]
    w.ask(sync(g.group, joined.generation_id, joined.member_id, everything, instance="i"))
    yield g.joins("new", instance_id="i")
    yield beat(g.group, joined.generation_id, joined.member_id, "i")
    yield g.described()
    yield join(g.group, "", _subscription(g.topic), instance="i")
    yield g.beat("new", -2, instance_id="i")
    back = yield join(g.group, "", _subscription(g.topic), instance="i")
    yield sync(g.group, back.generation_id, back.member_id, instance="i")
    yield DescribeGroupsRequest(groups=[g.group])
    yield g.described()
