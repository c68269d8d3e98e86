"""The image as records: replaying them gives the image again. This is what a snapshot holds.

Kafka's order (`MetadataImage.write`): the features first, since `metadata.version` says how the rest is written, then
brokers, controllers, topics with their partitions, configs, quotas, producer ids, ACLs, SCRAM credentials and
delegation tokens. As in Kafka, an image keeps the fields that it knows: tagged fields of a known version that it does
not know are not carried over.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from ...protocol.stored import metadata as stored
from .features import METADATA_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ...protocol.schema import Message
    from .image import MetadataImage


def image_records(image: MetadataImage) -> Iterator[Message]:
    """Every record that the image needs, in Kafka's order."""
    parts: tuple[Iterable[Message], ...] = (
        _features(image),
        (broker.to_record() for broker in image.brokers.values()),
        image.controllers.values(),
        _topics(image),
        _configs(image),
        _client_quotas(image),
        _producer_ids(image),
        image.acls.values(),
        image.scram_credentials.values(),
        image.delegation_tokens.values(),
    )
    return chain.from_iterable(parts)


def _features(image: MetadataImage) -> Iterator[Message]:
    names = sorted(image.features, key=lambda name: name != METADATA_VERSION)
    for name in names:
        yield stored.FeatureLevelRecord(name=name, feature_level=image.features[name])


def _topics(image: MetadataImage) -> Iterator[Message]:
    for topic in image.topics_by_name.values():
        yield stored.TopicRecord(name=topic.name, topic_id=topic.topic_id)
        for partition in topic.partitions:
            yield partition.to_record(topic.topic_id)


def _configs(image: MetadataImage) -> Iterator[Message]:
    for (resource_type, resource_name), configs in image.configs.items():
        for name, value in configs.items():
            yield stored.ConfigRecord(resource_type=resource_type, resource_name=resource_name, name=name, value=value)


def _client_quotas(image: MetadataImage) -> Iterator[Message]:
    for entity, quotas in image.client_quotas.items():
        for key, value in quotas.items():
            parts = [stored.EntityData(entity_type=kind, entity_name=name) for kind, name in entity]
            yield stored.ClientQuotaRecord(entity=parts, key=key, value=value)


def _producer_ids(image: MetadataImage) -> Iterator[Message]:
    if image.next_producer_id:
        yield stored.ProducerIdsRecord(broker_id=-1, broker_epoch=-1, next_producer_id=image.next_producer_id)
