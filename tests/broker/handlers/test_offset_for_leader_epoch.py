"""OffsetForLeaderEpoch on a log that was written in the epochs 0 (offsets 0-2), 2 (3-4) and 5 (from 5 on)."""

from __future__ import annotations

import pytest
from ottla.broker.handlers import offset_for_leader_epoch
from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.offset_for_leader_epoch import (
    OffsetForLeaderEpochRequest,
    OffsetForLeaderPartition,
    OffsetForLeaderTopic,
)

from ..data_broker import DataBroker, batch


@pytest.fixture
def broker(tmp_path):
    broker = DataBroker(tmp_path)
    broker.create("t")
    partition = broker.partitions.get("t", 0)
    for epoch, count in ((0, 3), (2, 2), (5, 1)):
        partition.leader_epoch = epoch
        broker.produce("t", batch(count))
    return broker


def ask(broker, epoch, *, current=-1, topic="t", partition=0, version=4, replica_id=-2):
    wanted = OffsetForLeaderPartition(partition=partition, current_leader_epoch=current, leader_epoch=epoch)
    request = OffsetForLeaderEpochRequest(
        replica_id=replica_id, topics=[OffsetForLeaderTopic(topic=topic, partitions=[wanted])]
    )
    answer = broker.ask(offset_for_leader_epoch, request, version).topics[0].partitions[0]
    return ErrorCode(answer.error_code).name, answer.leader_epoch, answer.end_offset


@pytest.mark.parametrize(
    ("epoch", "known", "end_offset"),
    [(0, 0, 3), (1, 0, 3), (2, 2, 5), (4, 2, 5), (5, 5, 6), (6, -1, -1), (-1, -1, -1)],
)
def test_the_largest_epoch_that_is_not_above(broker, epoch, known, end_offset):
    for version in (2, 3, 4):
        assert ask(broker, epoch, version=version) == ("NONE", known, end_offset)


def test_anybody_may_ask(broker):
    for replica_id in (-2, -1, 0, 7):
        assert ask(broker, 0, replica_id=replica_id) == ("NONE", 0, 3)


def test_the_readers_leader_epoch(broker):
    codes = [ask(broker, 0, current=current)[0] for current in (-1, 4, 5, 6, -2)]
    assert codes == ["NONE", "FENCED_LEADER_EPOCH", "NONE", "UNKNOWN_LEADER_EPOCH", "FENCED_LEADER_EPOCH"]


def test_what_is_not_there(broker):
    assert ask(broker, 0, topic="unknown") == ("UNKNOWN_TOPIC_OR_PARTITION", -1, -1)
    assert ask(broker, 0, partition=3) == ("UNKNOWN_TOPIC_OR_PARTITION", -1, -1)
