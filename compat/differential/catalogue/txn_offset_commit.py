"""TxnOffsetCommit."""

from __future__ import annotations

from ottla.protocol.messages.add_offsets_to_txn import AddOffsetsToTxnRequest
from ottla.protocol.messages.end_txn import EndTxnRequest
from ottla.protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestGroup
from ottla.protocol.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
)

from ..case import versions
from ..group_requests import stable

API = TxnOffsetCommitRequest


def _request(name, group, producer, topic, *offsets, metadata="m", **said):
    partitions = [
        TxnOffsetCommitRequestPartition(partition_index=index, committed_offset=offset, committed_metadata=metadata)
        for index, offset in offsets
    ]
    return TxnOffsetCommitRequest(
        transactional_id=name,
        group_id=group,
        producer_id=producer[0],
        producer_epoch=producer[1],
        topics=[TxnOffsetCommitRequestTopic(name=topic, partitions=partitions)],
        **said,
    )


def _fetched(group, **said):
    return OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id=group, topics=None)], **said)


def _added(w, group):
    """A producer whose transaction has the group in it."""
    name = w.transactional_id()
    producer = w.producer(name)
    request = AddOffsetsToTxnRequest(
        transactional_id=name, producer_id=producer.id, producer_epoch=producer.epoch, group_id=group
    )
    w.until(lambda: w.ask(request).error_code == 0, "the group is part of the transaction")
    return name, producer


def committed_with_the_transaction(w):
    group, topic = w.group(), w.topic(partitions=2)
    name, producer = _added(w, group)
    yield _request(name, group, producer, topic.name, (0, 4), (1, 5))
    yield _fetched(group)
    yield _fetched(group, require_stable=True)
    yield EndTxnRequest(transactional_id=name, producer_id=producer.id, producer_epoch=producer.epoch, committed=True)
    w.until(
        lambda: [p for g in w.ask(_fetched(group)).groups for t in g.topics for p in t.partitions],
        "the offsets are committed",
    )
    yield _fetched(group)


def lost_with_the_transaction(w):
    group, topic = w.group(), w.topic()
    name, producer = _added(w, group)
    yield _request(name, group, producer, topic.name, (0, 4))
    yield EndTxnRequest(transactional_id=name, producer_id=producer.id, producer_epoch=producer.epoch, committed=False)
    yield _fetched(group)


def without_the_group_in_the_transaction(w):
    group, topic, name = w.group(), w.topic(), w.transactional_id()
    yield _request(name, group, w.producer(name), topic.name, (0, 4))


def producers_that_are_wrong(w):
    group, topic = w.group(), w.topic()
    name, producer = _added(w, group)
    for wrong in ((producer.id, producer.epoch + 1), (producer.id + 500_000, 0)):
        yield _request(name, group, wrong, topic.name, (0, 4))


def what_is_not_there(w):
    group, topic = w.group(), w.topic()
    name, producer = _added(w, group)
    yield _request(name, group, producer, topic.name, (0, 4), (9, 4))
    yield _request(name, group, producer, w.name("none"), (0, 4))


def metadata_that_is_too_long(w):
    group, topic = w.group(), w.topic()
    name, producer = _added(w, group)
    yield _request(name, group, producer, topic.name, (0, 4), metadata="x" * 4097)
    yield _request(name, group, producer, topic.name, (0, 4), metadata=None)


@versions("3+")
def by_members(w):
    group, topic = w.group(), w.topic()
    member, generation = stable(w, group)
    name, producer = _added(w, group)
    for who, said in ((member, generation), (member, generation + 1), ("nobody", generation), ("", -1)):
        yield _request(name, group, producer, topic.name, (0, 4), member_id=who, generation_id=said)


@versions("3+")
def by_static_members(w):
    group, topic = w.group(), w.topic()
    member, generation = stable(w, group, instance="i")
    name, producer = _added(w, group)
    for who, instance in ((member, "i"), ("other", "i"), (member, "nobody")):
        said = {"member_id": who, "group_instance_id": instance, "generation_id": generation}
        yield _request(name, group, producer, topic.name, (0, 4), **said)


def an_empty_group(w):
    topic, name = w.topic(), w.transactional_id()
    yield _request(name, "", w.producer(name), topic.name, (0, 4))
