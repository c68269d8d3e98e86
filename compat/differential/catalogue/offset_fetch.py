"""OffsetFetch."""

from __future__ import annotations

from ottla.protocol.messages.add_offsets_to_txn import AddOffsetsToTxnRequest
from ottla.protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopic,
    OffsetFetchRequestTopics,
)
from ottla.protocol.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
)

from ..case import versions
from ..group_requests import commit, consumer_member, stable
from ..world import UNKNOWN_ID, Topic

API = OffsetFetchRequest


def _request(w, group, *topics, everything=False, **said):
    """Ask for (topic, partitions) pairs, in the form of the version."""
    if w.version >= 8:
        wanted = [
            OffsetFetchRequestTopics(name=topic.name, topic_id=topic.id, partition_indexes=list(indexes))
            for topic, indexes in topics
        ]
        asked = OffsetFetchRequestGroup(group_id=group, topics=None if everything else wanted)
        return OffsetFetchRequest(groups=[asked], **said)
    names = [OffsetFetchRequestTopic(name=topic.name, partition_indexes=list(indexes)) for topic, indexes in topics]
    return OffsetFetchRequest(group_id=group, topics=None if everything else names, **said)


def _committed(w):
    group, topic = w.group(), w.topic(partitions=3)
    w.ask(commit(group, topic, (0, 4), (2, 9)))
    return group, topic


def what_was_committed(w):
    group, topic = _committed(w)
    yield _request(w, group, (topic, [0, 1, 2]))


@versions("2+")
def everything(w):
    group, _ = _committed(w)
    yield _request(w, group, everything=True)


def nothing(w):
    group, topic = _committed(w)
    yield _request(w, group)
    yield _request(w, group, (topic, []))


def an_unknown_group(w):
    yield _request(w, w.group("none"), (w.topic(), [0]))


@versions("2+")
def everything_of_an_unknown_group(w):
    yield _request(w, w.group("none"), everything=True)


def an_empty_group_id(w):
    yield _request(w, "", (w.topic(), [0]))


def what_is_not_there(w):
    group, topic = _committed(w)
    yield _request(w, group, (topic, [0, 7, -1]), (Topic(w.name("none"), UNKNOWN_ID), [0]))


@versions("10+")
def a_topic_without_an_id(w):
    group, _ = _committed(w)
    yield _request(w, group, (Topic("", bytes(16)), [0]))


@versions("7+")
def only_what_is_stable(w):
    group, topic = _committed(w)
    yield _request(w, group, (topic, [0, 1]), require_stable=True)


@versions("7+")
def while_a_transaction_is_open(w):
    group, topic = _committed(w)
    name = w.transactional_id()
    producer = w.producer(name)
    ids = {"transactional_id": name, "producer_id": producer.id, "producer_epoch": producer.epoch, "group_id": group}
    w.until(lambda: w.ask(AddOffsetsToTxnRequest(**ids)).error_code == 0, "the group is part of the transaction")
    offset = TxnOffsetCommitRequestPartition(partition_index=0, committed_offset=7, committed_metadata="")
    w.ask(TxnOffsetCommitRequest(**ids, topics=[TxnOffsetCommitRequestTopic(name=topic.name, partitions=[offset])]))
    for require_stable in (False, True):
        yield _request(w, group, (topic, [0, 2]), require_stable=require_stable)
        yield _request(w, group, everything=True, require_stable=require_stable)


def of_a_topic_that_was_deleted(w):
    group, topic = _committed(w)
    w.delete(topic)
    if w.version >= 2:
        yield _request(w, group, everything=True)
    yield _request(w, group, (topic, [0, 1]))


def the_same_partition_twice(w):
    group, topic = _committed(w)
    yield _request(w, group, (topic, [0, 0]))


@versions("8+")
def several_groups(w):
    group, topic = _committed(w)
    wanted = [OffsetFetchRequestTopics(name=topic.name, topic_id=topic.id, partition_indexes=[0])]
    groups = [
        OffsetFetchRequestGroup(group_id=group, topics=wanted),
        OffsetFetchRequestGroup(group_id=w.group("none"), topics=wanted),
        OffsetFetchRequestGroup(group_id="", topics=wanted),
    ]
    yield OffsetFetchRequest(groups=groups)
    yield OffsetFetchRequest(groups=[])


@versions("9+")
def by_members(w):
    group, topic = w.group(), w.topic()
    member, generation = stable(w, group)
    for who, epoch in ((member, generation), (member, generation + 1), ("nobody", 1), ("", -1), (None, -1)):
        asked = OffsetFetchRequestGroup(group_id=group, member_id=who, member_epoch=epoch, topics=[])
        asked.topics = [OffsetFetchRequestTopics(name=topic.name, topic_id=topic.id, partition_indexes=[0])]
        yield OffsetFetchRequest(groups=[asked])


@versions("9+")
def by_members_of_a_consumer_group(w):
    group, topic = w.group(), w.known_topic()
    joined = w.ask(consumer_member(group, "m", topics=[topic.name]))
    epoch = joined.member_epoch
    for who, said in (("m", epoch), ("m", epoch + 1), ("m", epoch - 1), ("nobody", epoch), (None, -1)):
        asked = OffsetFetchRequestGroup(group_id=group, member_id=who, member_epoch=said, topics=[])
        asked.topics = [OffsetFetchRequestTopics(name=topic.name, topic_id=topic.id, partition_indexes=[0])]
        yield OffsetFetchRequest(groups=[asked])
