"""The topics as groups watch them: hashes as Kafka notes them in a group's record, and what has changed."""

from __future__ import annotations

import base64

import pytest
from ottla.broker.coordinators.group_topics import NEVER, GroupTopics
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
    assert GroupTopics(image).hash_of(["t"]) == 5163735442658377918


def test_of_nothing_is_nothing(image):
    assert GroupTopics(image).hash_of([]) == 0
    assert GroupTopics(image).hash_of(["not there"]) == 0


def test_topics_that_are_not_there_do_not_count(image):
    topics = GroupTopics(image)
    assert topics.hash_of(["t", "not there"]) == topics.hash_of(["t"])


def test_the_order_of_names_does_not_count(image):
    add(image, "u", bytes(range(16)), 1)
    topics = GroupTopics(image)
    assert topics.hash_of(["t", "u"]) == topics.hash_of(["u", "t"]) != topics.hash_of(["t"])


def test_a_rack_counts():
    assert len({GroupTopics(image_with(rack)).hash_of(["t"]) for rack in (None, "a", "b", "é")}) == 4


def test_more_partitions_count_once_the_topic_is_looked_at_again(image):
    topics = GroupTopics(image)
    before = topics.hash_of(["t"])
    grow(image, TOPIC_ID, 6, 7)
    assert topics.hash_of(["t"]) == before
    topics.note_change("t")
    assert topics.hash_of(["t"]) != before


def test_a_namesake_with_another_id_is_another_topic(image):
    topics = GroupTopics(image)
    before = topics.hash_of(["t"])
    image.replay(RemoveTopicRecord(topic_id=TOPIC_ID))
    topics.note_change("t")
    assert topics.hash_of(["t"]) == 0
    add(image, "t", bytes(range(16)), 6)
    assert topics.hash_of(["t"]) != before


class TestChanges:
    def test_a_first_look_sees_everything(self, image):
        assert GroupTopics(image).have_changed(["t"], NEVER)

    def test_only_what_has_changed_since(self, image):
        topics = GroupTopics(image)
        seen = topics.changes
        assert not topics.have_changed(["t"], seen)
        topics.note_change("u")
        assert not topics.have_changed(["t"], seen)
        assert topics.have_changed(["t", "u"], seen)
        topics.note_change("t")
        assert topics.have_changed(["t"], seen)
        assert not topics.have_changed(["t", "u"], topics.changes)

    def test_a_new_topic_has_a_version(self, image):
        topics = GroupTopics(image)
        image.last_offset = 7
        topics.note_change("t")
        assert topics.newest_version == -1
        topics.note_change("t", is_new=True)
        assert topics.newest_version == 7

    def test_long_memories_are_cut_and_then_nobody_is_sure(self, image):
        topics = GroupTopics(image)
        seen = topics.changes
        for number in range(1_001):
            topics.note_change(f"gone-{number}")
        assert len(topics._changed_at) == 1
        assert topics.have_changed(["t"], seen)
        assert not topics.have_changed(["t"], topics.changes)
