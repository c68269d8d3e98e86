"""From a broker that was used back to an empty one, under its clients' feet. Runs on the broker's loop.

Topics are deleted and with them records, groups, offsets and transactions, in the ways in which requests would do it:
the metadata log says so, and who waits is answered. Kafka's own topics are made anew where they were, so that a
client which knows its coordinator is told that its group or its producer is unknown, as by Apache Kafka after a
deletion. Configs that were set are taken back. What clients may hold on to stays: connections, fetch sessions, the
cluster's id, and producer ids, which nobody gets twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from ..metadata.topic_names import is_internal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..metadata.cluster_metadata import ClusterMetadata
    from .observed_broker import ObservedBroker

Configs: TypeAlias = "Mapping[tuple[int, str], Mapping[str, str]]"

_END_OF_TIME_MS: Final = (1 << 63) - 1


def reset(broker: ObservedBroker, first_configs: Configs) -> None:
    """Empty the broker; `first_configs` are those that stay, by resource. Raises Refused, for a disk that failed."""
    metadata = broker.services.metadata
    # Kafka's own first: with the groups gone, no tombstone of their offsets need be written for each topic.
    names = sorted(metadata.image.topics_by_name, key=lambda name: (not is_internal(name), name))
    for name in names:
        metadata.delete_topic(metadata.image.topics_by_name[name])
    _put_configs_back(metadata, first_configs)
    for name in filter(is_internal, names):
        metadata.ensure_internal_topic(name)
    _remove_folders(broker)
    if broker.dispatcher is not None:
        broker.dispatcher.last_requests.clear()


def configs_now(broker: ObservedBroker) -> Configs:
    """Every config that is set on a resource."""
    return {resource: dict(configs) for resource, configs in broker.services.metadata.image.configs.items()}


def _put_configs_back(metadata: ClusterMetadata, first_configs: Configs) -> None:
    for resource in {*metadata.image.configs, *first_configs}:
        first = first_configs.get(resource, {})
        added = metadata.image.configs_of(*resource).keys() - first.keys()
        metadata.set_configs(*resource, {**first, **dict.fromkeys(added)})


def _remove_folders(broker: ObservedBroker) -> None:
    """Remove the folders of deleted topics now; a thousand resets must not wait for `file.delete.delay.ms`."""
    directories = broker.directories
    for directory in directories.directories:
        for path in directory.take_due_folders(_END_OF_TIME_MS):
            directories.remove_folder(path)
