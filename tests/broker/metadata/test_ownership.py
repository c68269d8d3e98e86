"""Which directories are this broker's alone."""

from __future__ import annotations

import pytest
from ottla.broker.metadata.held_partitions import show_held
from ottla.broker.metadata.image import MetadataImage
from ottla.broker.metadata.kraft_state import KRaftState
from ottla.broker.metadata.ownership import why_foreign
from ottla.broker.metadata.quorum_state import QuorumState
from ottla.protocol.control_records import VotersRecord, VotersRecordVoter
from ottla.protocol.stored import metadata as stored

HERE = b"h" * 16
TOPIC_ID = b"t" * 16


def image_of(*records):
    image = MetadataImage("cluster", 1)
    for record in records:
        image.replay(record)
    return image


def broker(broker_id):
    return stored.RegisterBrokerRecord(broker_id=broker_id)


def topic(*replicas, leader=1):
    partitions = [
        stored.PartitionRecord(
            partition_id=index, topic_id=TOPIC_ID, replicas=list(nodes), isr=[nodes[0]], leader=leader, leader_epoch=3
        )
        for index, nodes in enumerate(replicas)
    ]
    return [stored.TopicRecord(name="orders", topic_id=TOPIC_ID), *partitions]


def voters(*keys):
    found = [VotersRecordVoter(voter_id=voter_id, voter_directory_id=directory) for voter_id, directory in keys]
    return KRaftState(version=1, voters=VotersRecord(voters=found))


class TestWhose:
    @pytest.mark.parametrize(
        ("image", "kraft", "quorum"),
        [
            (image_of(), KRaftState(), None),
            (image_of(broker(1), *topic((1,), (1,))), KRaftState(), QuorumState(voter_ids=(1,), leader_id=1)),
            (image_of(broker(1)), voters((1, HERE)), QuorumState(version=1, leader_id=1)),
            (image_of(), KRaftState(), QuorumState()),
        ],
    )
    def test_ours(self, image, kraft, quorum):
        assert why_foreign(image, kraft, quorum, HERE) is None

    @pytest.mark.parametrize(
        ("image", "kraft", "quorum", "said"),
        [
            (image_of(broker(1), broker(3)), KRaftState(), None, "has brokers beside 1: 3"),
            (image_of(broker(2), broker(3)), KRaftState(), None, "has brokers beside 1: 2, 3"),
            (image_of(broker(1), *topic((1,), (1, 2))), KRaftState(), None, "orders-1 has replicas on 2"),
            (image_of(), KRaftState(), QuorumState(voter_ids=(1, 2, 3)), "voters of its metadata are 1, 2, 3"),
            (image_of(), KRaftState(), QuorumState(voter_ids=(9,)), "voters of its metadata are 9"),
            (image_of(), KRaftState(), QuorumState(version=1, leader_id=9), "voters of its metadata are 9"),
            (image_of(), voters((1, b"other directory!")), None, "are 1, elsewhere"),
            (image_of(), voters((1, HERE), (2, HERE)), None, "are 1, 2, elsewhere"),
            (image_of(), voters(), None, "elsewhere"),
        ],
    )
    def test_not_ours_alone(self, image, kraft, quorum, said):
        assert said in why_foreign(image, kraft, quorum, HERE)


def test_what_is_here_is_led_here_and_the_rest_by_nobody():
    image = image_of(broker(2), *topic((2, 1), (2, 3), (3, 1), leader=2))
    held = show_held(image, lambda name, index, topic_id: (name, index, topic_id) != ("orders", 1, TOPIC_ID))
    assert held == (3, 2)
    shown = [(p.leader, p.leader_epoch, p.replicas, p.isr) for p in image.topics_by_name["orders"].partitions]
    assert shown == [(1, 3, (2, 1), (1, 2)), (-1, 3, (2, 3), (2,)), (1, 3, (3, 1), (1, 3))]
