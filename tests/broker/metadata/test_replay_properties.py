"""Whatever is asked of the metadata in whatever order: the image from the log is the image that lived."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from ottla.broker.metadata.image import ResourceType
from ottla.broker.metadata.refusal import Refused
from ottla.broker.metadata.topic_creation import NewTopic
from ottla.protocol.stored import metadata as stored

from ..metadata_broker import MetadataBroker

NAMES = st.sampled_from(["a", "b", "a.b", "a_b", "__consumer_offsets"])
KEYS = st.sampled_from(["retention.ms", "retention.bytes"])
VALUES = st.one_of(st.none(), st.sampled_from(["5", "6"]))


def state_of(image):
    return {name: value for name, value in vars(image).items() if name != "last_offset"}


class MetadataMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.broker = MetadataBroker(Path(self.folder.name))

    def topic(self, name):
        return self.broker.metadata.image.topics_by_name.get(name)

    @rule(name=NAMES, count=st.integers(-1, 3), value=VALUES)
    def create(self, name, count, value):
        configs = {} if value is None else {"retention.ms": value}
        try:
            created = self.broker.metadata.create_topic(NewTopic(name, count, configs=configs))
        except Refused:
            return
        assert self.topic(name) is created

    @rule(name=NAMES, more=st.integers(-1, 2))
    def grow(self, name, more):
        topic = self.topic(name)
        if topic is None:
            return
        before = len(topic.partitions)
        try:
            self.broker.metadata.create_partitions(topic, before + more)
        except Refused:
            assert more <= 0
        assert len(topic.partitions) == before + max(more, 0)

    @rule(name=NAMES)
    def delete(self, name):
        topic = self.topic(name)
        if topic is not None:
            self.broker.metadata.delete_topic(topic)
            assert self.topic(name) is None

    @rule(name=NAMES, key=KEYS, value=VALUES)
    def configure(self, name, key, value):
        if self.topic(name) is not None:
            self.broker.metadata.set_configs(ResourceType.TOPIC, name, {key: value})
            assert self.broker.metadata.image.configs_of(ResourceType.TOPIC, name).get(key) == value

    @rule()
    def allocate(self):
        block = self.broker.metadata.allocate_producer_ids()
        assert self.broker.metadata.image.next_producer_id == block.stop

    @rule(name=NAMES)
    def leave_a_transaction_open_and_crash(self, name):
        records = [stored.BeginTransactionRecord(), stored.TopicRecord(name=name, topic_id=b"t" * 16)]
        before = self.broker.metadata.image.topics_by_name.keys() | set()
        self.broker.metadata_log.append(records)
        self.broker.crash()
        assert self.broker.metadata.image.topics_by_name.keys() == before

    @rule()
    def restart(self):
        partitions = {name: list(t.partitions) for name, t in self.broker.metadata.image.topics_by_name.items()}
        self.broker.restart()
        after = {name: list(t.partitions) for name, t in self.broker.metadata.image.topics_by_name.items()}
        assert after == partitions

    @rule()
    def crash(self):
        self.broker.crash()

    @invariant()
    def the_log_gives_the_same_image(self):
        lived = state_of(self.broker.metadata.image)
        log, _, replayed = self.broker.replayed()
        assert state_of(replayed.image) == lived
        assert replayed.last_offset == self.broker.metadata.last_offset
        log.abandon()

    def teardown(self):
        self.broker.log.abandon()
        self.folder.cleanup()


TestMetadata = MetadataMachine.TestCase
TestMetadata.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
