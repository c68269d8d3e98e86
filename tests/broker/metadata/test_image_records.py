"""The image as records: what a snapshot holds is the image again, for every kind of record."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ottla.broker.metadata.image import MetadataImage
from ottla.broker.metadata.image_records import image_records
from ottla.broker.metadata.metadata_records import decode_record, encode_record, written_version
from ottla.protocol.stored import metadata as stored

IDS = st.integers(0, 5)
UUIDS = st.binary(min_size=16, max_size=16)
TEXTS = st.text(max_size=5)
MAYBE_NODES = st.none() | st.lists(IDS, min_size=1, max_size=3, unique=True)
NODES = st.lists(IDS, max_size=3, unique=True)


def struct(kind, **fields):
    return st.builds(kind, **fields)


ENDPOINTS = {"name": TEXTS, "host": TEXTS, "port": st.integers(0, 65535), "security_protocol": st.integers(0, 3)}
FEATURES = {"name": TEXTS, "min_supported_version": IDS, "max_supported_version": IDS}
BROKERS = struct(
    stored.RegisterBrokerRecord,
    broker_id=IDS,
    incarnation_id=UUIDS,
    broker_epoch=st.integers(0, 99),
    end_points=st.lists(struct(stored.BrokerEndpoint, **ENDPOINTS), max_size=2),
    features=st.lists(struct(stored.BrokerFeature, **FEATURES), max_size=2, unique_by=lambda feature: feature.name),
    rack=st.none() | TEXTS,
    fenced=st.booleans(),
    in_controlled_shutdown=st.booleans(),
    log_dirs=st.lists(UUIDS, max_size=2),
    cordoned_log_dirs=st.none() | st.lists(UUIDS, max_size=2),
)
CONTROLLERS = struct(
    stored.RegisterControllerRecord,
    controller_id=IDS,
    incarnation_id=UUIDS,
    zk_migration_ready=st.booleans(),
    end_points=st.lists(struct(stored.ControllerEndpoint, **ENDPOINTS), max_size=2),
    features=st.lists(struct(stored.ControllerFeature, **FEATURES), max_size=2),
)
PARTITIONS = struct(
    stored.PartitionRecord,
    replicas=NODES,
    isr=NODES,
    removing_replicas=NODES,
    adding_replicas=NODES,
    leader=st.integers(-1, 5),
    leader_recovery_state=st.integers(0, 1),
    leader_epoch=IDS,
    partition_epoch=IDS,
    directories=st.lists(UUIDS, max_size=3),
    eligible_leader_replicas=MAYBE_NODES,
    last_known_elr=MAYBE_NODES,
)
QUOTAS = struct(
    stored.ClientQuotaRecord,
    entity=st.lists(
        struct(
            stored.EntityData,
            entity_type=st.sampled_from(["user", "client-id", "ip"]),
            entity_name=st.none() | TEXTS,
        ),
        min_size=1,
        max_size=2,
        unique_by=lambda part: part.entity_type,
    ),
    key=TEXTS,
    value=st.floats(allow_nan=False),
)
OTHERS = st.lists(
    st.one_of(
        struct(stored.FeatureLevelRecord, name=TEXTS, feature_level=st.integers(1, 9)),
        BROKERS,
        CONTROLLERS,
        struct(
            stored.ConfigRecord,
            resource_type=st.sampled_from([2, 4, 8, 16, 32]),
            resource_name=TEXTS,
            name=TEXTS,
            value=TEXTS,
        ),
        QUOTAS,
        struct(
            stored.AccessControlEntryRecord,
            id=UUIDS,
            resource_type=IDS,
            resource_name=TEXTS,
            pattern_type=IDS,
            principal=TEXTS,
            host=TEXTS,
            operation=IDS,
            permission_type=IDS,
        ),
        struct(
            stored.UserScramCredentialRecord,
            name=TEXTS,
            mechanism=IDS,
            salt=st.binary(max_size=4),
            stored_key=st.binary(max_size=4),
            server_key=st.binary(max_size=4),
            iterations=st.integers(0, 9999),
        ),
        struct(
            stored.DelegationTokenRecord,
            owner=TEXTS,
            requester=TEXTS,
            renewers=st.lists(TEXTS, max_size=2),
            issue_timestamp=st.integers(0, 99),
            max_timestamp=st.integers(0, 99),
            expiration_timestamp=st.integers(0, 99),
            token_id=TEXTS,
        ),
        st.just(stored.NoOpRecord()),
        st.just(stored.ZkMigrationStateRecord()),
    ),
    max_size=8,
)
TOPICS = st.lists(
    st.tuples(TEXTS, UUIDS, st.lists(PARTITIONS, max_size=3)),
    max_size=3,
    unique_by=(lambda topic: topic[0], lambda topic: topic[1]),
)


def image_of(records):
    image = MetadataImage("cluster", 1)
    for record in records:
        image.replay(record)
    return image


def state_of(image):
    return {name: value for name, value in vars(image).items() if name != "last_offset"}


@st.composite
def images(draw):
    """An image of every kind of record in any order that Kafka could have written."""
    image = MetadataImage("cluster", 1)
    for record in [*draw(OTHERS), stored.FeatureLevelRecord(name="metadata.version", feature_level=30)]:
        image.replay(record)
    for name, topic_id, partitions in draw(TOPICS):
        image.replay(stored.TopicRecord(name=name, topic_id=topic_id))
        for index, partition in enumerate(partitions):
            partition.partition_id, partition.topic_id = index, topic_id
            image.replay(partition)
    next_producer_id = draw(st.integers(0, 9))
    if next_producer_id:
        image.replay(stored.ProducerIdsRecord(next_producer_id=next_producer_id))
    return image


@given(images())
def test_the_records_of_an_image_give_that_image(image):
    values = [encode_record(record) for record in image_records(image)]
    assert state_of(image_of(map(decode_record, values))) == state_of(image)


@given(images())
def test_a_copy_does_not_follow(image):
    copied = image.copy()
    before = state_of(copied)
    assert before == state_of(image)
    kept = {name: value.copy() if hasattr(value, "copy") else value for name, value in before.items()}
    image.replay(stored.TopicRecord(name="another one", topic_id=b"another id 16 by"))
    image.replay(stored.PartitionRecord(partition_id=0, topic_id=b"another id 16 by"))
    image.replay(stored.ConfigRecord(resource_type=2, resource_name="another one", name="a", value="b"))
    image.replay(stored.ProducerIdsRecord(next_producer_id=1000))
    for topic in list(image.topics_by_id.values()):
        image.replay(stored.RemoveTopicRecord(topic_id=topic.topic_id))
    assert state_of(copied) == kept


def test_the_level_comes_first_then_the_parts_in_kafkas_order():
    topic_id = b"t" * 16
    image = image_of(
        [
            stored.FeatureLevelRecord(name="group.version", feature_level=1),
            stored.DelegationTokenRecord(token_id="token"),
            stored.UserScramCredentialRecord(name="alice", mechanism=1),
            stored.AccessControlEntryRecord(id=b"a" * 16),
            stored.ProducerIdsRecord(next_producer_id=1000),
            stored.ClientQuotaRecord(entity=[stored.EntityData(entity_type="user")], key="k", value=math.pi),
            stored.ConfigRecord(resource_type=4, resource_name="", name="n", value="v"),
            stored.TopicRecord(name="t", topic_id=topic_id),
            stored.PartitionRecord(partition_id=0, topic_id=topic_id, replicas=[1]),
            stored.RegisterControllerRecord(controller_id=1),
            stored.RegisterBrokerRecord(broker_id=1),
            stored.FeatureLevelRecord(name="metadata.version", feature_level=30),
        ]
    )
    assert [type(record).__name__.removesuffix("Record") for record in image_records(image)] == [
        "FeatureLevel",
        "FeatureLevel",
        "RegisterBroker",
        "RegisterController",
        "Topic",
        "Partition",
        "Config",
        "ClientQuota",
        "ProducerIds",
        "AccessControlEntry",
        "UserScramCredential",
        "DelegationToken",
    ]
    assert next(iter(image_records(image))).name == "metadata.version"


@pytest.mark.parametrize(
    ("level", "broker", "partition"),
    [(7, 1, 0), (8, 2, 0), (16, 2, 0), (17, 3, 1), (22, 3, 1), (23, 3, 2), (29, 3, 2), (30, 4, 2)],
)
def test_records_are_written_in_the_versions_of_their_level(level, broker, partition):
    # Taken from MetadataVersion of Apache Kafka 4.3.1.
    registration = stored.RegisterBrokerRecord(log_dirs=[b"d" * 16], cordoned_log_dirs=[], in_controlled_shutdown=True)
    assert written_version(registration, level) == broker
    for kind in (stored.PartitionRecord, stored.PartitionChangeRecord):
        record = kind(directories=[b"d" * 16], eligible_leader_replicas=[1], last_known_elr=[2])
        assert written_version(record, level) == partition
        found = decode_record(encode_record(record, level))
        assert (found.directories or []) == (record.directories if partition >= 1 else [])
        assert found.eligible_leader_replicas == ([1] if partition >= 2 else None)
    found = decode_record(encode_record(registration, level))
    assert found.log_dirs == ([b"d" * 16] if broker >= 3 else [])
    assert found.cordoned_log_dirs == ([] if broker >= 4 else None)
    assert found.in_controlled_shutdown
