"""ConsumerGroupHeartbeat."""

from __future__ import annotations

from ottla.protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest, TopicPartitions

from ..case import versions
from ..group_requests import consumer_member, stable
from ..world import UNKNOWN_ID

API = ConsumerGroupHeartbeatRequest


def _beat(group, member_id, epoch, **said):
    return ConsumerGroupHeartbeatRequest(group_id=group, member_id=member_id, member_epoch=epoch, **said)


def the_first_member(w):
    group, topic = w.group(), w.known_topic(partitions=3)
    joined = yield consumer_member(group, "m", topics=[topic.name])
    yield _beat(group, "m", joined.member_epoch)
    owned = [TopicPartitions(topic_id=topic.id, partitions=[0, 1, 2])]
    yield _beat(group, "m", joined.member_epoch, topic_partitions=owned)
    yield _beat(group, "m", -1)
    yield _beat(group, "m", joined.member_epoch)


def two_members(w):
    group, topic = w.group(), w.known_topic(partitions=2)
    first = yield consumer_member(group, "a", topics=[topic.name])
    yield consumer_member(group, "b", topics=[topic.name])
    yield _beat(group, "a", first.member_epoch)
    kept = [TopicPartitions(topic_id=topic.id, partitions=[0])]
    again = yield _beat(group, "a", first.member_epoch, topic_partitions=kept)
    yield _beat(group, "a", again.member_epoch)


def a_topic_that_is_not_there(w):
    group = w.group()
    joined = yield consumer_member(group, "m", topics=[w.name("none")])
    yield _beat(group, "m", joined.member_epoch)


def epochs_that_are_wrong(w):
    group, topic = w.group(), w.known_topic()
    joined = w.ask(consumer_member(group, "m", topics=[topic.name]))
    for wrong in (joined.member_epoch + 1, joined.member_epoch - 1, -3, 100):
        yield _beat(group, "m", wrong)


def what_is_missing(w):
    group = w.group()
    yield consumer_member("", "m", topics=["t"])
    yield consumer_member(group, "m")
    yield consumer_member(group, "m", topics=[])
    yield consumer_member(group, "m", topics=["t"], timeout_ms=-1)
    yield _beat(group, "m", 0)
    yield _beat(group, "", 1)


@versions("1+")
def a_member_without_an_id(w):
    yield consumer_member(w.group(), "", topics=["t"])


@versions("0")
def a_member_that_gets_its_id(w):
    group, topic = w.group(), w.known_topic()
    joined = yield consumer_member(group, "", topics=[topic.name])
    left = yield _beat(group, joined.member_id, -1)
    assert left is not None


def what_a_new_member_cannot_own(w):
    group, topic = w.group(), w.known_topic()
    yield consumer_member(group, "m", topics=[topic.name], owned=[(topic, [0])])


def members_that_are_not_there(w):
    group, topic = w.group(), w.known_topic()
    yield _beat(group, "nobody", 1)
    yield _beat(group, "nobody", -1)
    w.ask(consumer_member(group, "m", topics=[topic.name]))
    yield _beat(group, "nobody", 1)
    yield _beat(group, "nobody", -1)


def assignors(w):
    group, topic = w.group(), w.known_topic()
    yield consumer_member(group, "m", topics=[topic.name], server_assignor="nonsense")
    yield consumer_member(group, "m", topics=[topic.name], server_assignor="")
    yield consumer_member(group, "m", topics=[topic.name], server_assignor="uniform")
    yield consumer_member(group, "n", topics=[topic.name], server_assignor="range")


def static_members(w):
    group, topic = w.group(), w.known_topic()
    joined = yield consumer_member(group, "a", topics=[topic.name], instance_id="i")
    yield consumer_member(group, "b", topics=[topic.name], instance_id="i")
    yield _beat(group, "a", -2, instance_id="i")
    yield _beat(group, "a", joined.member_epoch, instance_id="i")
    yield consumer_member(group, "b", topics=[topic.name], instance_id="i")
    yield _beat(group, "a", joined.member_epoch, instance_id="i")
    yield _beat(group, "a", -1, instance_id="i")
    yield _beat(group, "b", -2)
    yield consumer_member(group, "c", topics=[topic.name], instance_id="")


@versions("1+")
def regular_expressions_that_are_wrong(w):
    group = w.group()
    for pattern in ("a(", "[", "*", "a{2}{3}"):
        yield consumer_member(group, "m", subscribed_topic_regex=pattern)


def a_classic_group_in_use(w):
    group, topic = w.group(), w.known_topic()
    stable(w, group)
    yield consumer_member(group, "m", topics=[topic.name])


def partitions_that_nobody_gave(w):
    group, topic = w.group(), w.known_topic()
    joined = w.ask(consumer_member(group, "m", topics=[topic.name]))
    stray = [TopicPartitions(topic_id=UNKNOWN_ID, partitions=[0])]
    yield _beat(group, "m", joined.member_epoch, topic_partitions=stray)
    strange = [TopicPartitions(topic_id=topic.id, partitions=[7])]
    yield _beat(group, "m", joined.member_epoch, topic_partitions=strange)
