"""Hashes of topics, as Kafka notes them in a group's record."""

from __future__ import annotations

import base64

import pytest
from ottla.broker.coordinators.topic_hashes import TopicHashes
from ottla.broker.metadata.image import MetadataImage
from ottla.protocol.stored.metadata import PartitionRecord, RegisterBrokerRecord, RemoveTopicRecord, TopicRecord

TOPIC_ID = base64.urlsafe_b64decode("1QlBty6ES8ulqU586Nervg==")


@pytest.fixture
def image():
    return image_with(None)


def image_with(rack):
    image = MetadataImage("cluster", 1)
    image.replay(RegisterBrokerRecord(broker_id=1, rack=rack))
    add(image, "t", TOPIC_ID, 6)
    return image


def add(image, name, topic_id, partitions):
    image.replay(TopicRecord(name=name, topic_id=topic_id))
    grow(image, topic_id, 0, partitions)


def grow(image, topic_id, first, end):
    for index in range(first, end):
        image.replay(PartitionRecord(partition_id=index, topic_id=topic_id, replicas=[1], isr=[1], leader=1))


def test_is_what_kafka_writes(image):
    assert TopicHashes(image).of_group(["t"]) == 5163735442658377918


def test_of_nothing_is_nothing(image):
    assert TopicHashes(image).of_group([]) == 0
    assert TopicHashes(image).of_group(["not there"]) == 0


def test_topics_that_are_not_there_do_not_count(image):
    hashes = TopicHashes(image)
    assert hashes.of_group(["t", "not there"]) == hashes.of_group(["t"])


def test_the_order_of_names_does_not_count(image):
    add(image, "u", bytes(range(16)), 1)
    hashes = TopicHashes(image)
    assert hashes.of_group(["t", "u"]) == hashes.of_group(["u", "t"]) != hashes.of_group(["t"])


def test_a_rack_counts():
    assert len({TopicHashes(image_with(rack)).of_group(["t"]) for rack in (None, "a", "b", "é")}) == 4


def test_more_partitions_count_once_the_topic_is_looked_at_again(image):
    hashes = TopicHashes(image)
    before = hashes.of_group(["t"])
    grow(image, TOPIC_ID, 6, 7)
    assert hashes.of_group(["t"]) == before
    hashes.forget("t")
    assert hashes.of_group(["t"]) != before


def test_a_namesake_with_another_id_is_another_topic(image):
    hashes = TopicHashes(image)
    before = hashes.of_group(["t"])
    image.replay(RemoveTopicRecord(topic_id=TOPIC_ID))
    hashes.forget("t")
    assert hashes.of_group(["t"]) == 0
    add(image, "t", bytes(range(16)), 6)
    assert hashes.of_group(["t"]) != before
