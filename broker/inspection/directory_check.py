"""The files of the directory itself: `meta.properties`, the checkpoints, and what they say of partitions."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Final

from ...protocol.errors import ProtocolError
from ...protocol.primitives import uuid_from_text
from ...storage.checkpoints import TopicPartition, read_offsets
from ...storage.log_directory import CLEAN_SHUTDOWN
from ...storage.meta_properties import META_PROPERTIES
from ...storage.offset_checkpoints import HIGH_WATERMARKS, LOG_START_OFFSETS, RECOVERY_POINTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .findings import Findings
    from .identity import Identity
    from .listing import Listing
    from .stored_metadata import StoredMetadata

CLEANER_OFFSETS: Final = "cleaner-offset-checkpoint"
OFFSET_CHECKPOINTS: Final = (RECOVERY_POINTS, LOG_START_OFFSETS, HIGH_WATERMARKS, CLEANER_OFFSETS)
_META_VERSION: Final = "1"
_BEYOND: Final = {
    RECOVERY_POINTS: "that were on the disk are gone",
    HIGH_WATERMARKS: "that consumers could read are gone",
    LOG_START_OFFSETS: "are missing before the log even begins",
}


def check_identity(listing: Listing, identity: Identity, findings: Findings) -> None:
    """`meta.properties` and `.kafka_cleanshutdown`."""
    path = os.path.join(listing.path, META_PROPERTIES)
    if identity.problem is not None:
        findings.error(path, identity.problem.removeprefix(f"{path}: "))
        return
    if identity.version != _META_VERSION:
        findings.error(path, f"has version {identity.version}, only {_META_VERSION} is known")
    if not identity.cluster_id:
        findings.error(path, "has no cluster.id")
    if identity.node_id is None or not identity.node_id.isdecimal():
        findings.error(path, f"has no node.id that is a number: {identity.node_id}")
    try:
        uuid_from_text(identity.directory_id or "")
    except ProtocolError:
        findings.error(path, f"has no directory.id that can be read: {identity.directory_id}")
    if CLEAN_SHUTDOWN in listing.sizes:
        _check_clean_shutdown(os.path.join(listing.path, CLEAN_SHUTDOWN), findings)


def _check_clean_shutdown(path: str, findings: Findings) -> None:
    """Its presence counts; a start takes no broker epoch from one that cannot be read."""
    try:
        with open(path, encoding="utf-8") as file:
            json.load(file)
    except FileNotFoundError:
        return
    except (ValueError, OSError) as error:
        findings.note(path, f"cannot be read: {error}")


def read_checkpoints(listing: Listing, findings: Findings) -> dict[str, dict[TopicPartition, int]]:
    """The offset checkpoints by name; one that cannot be read is empty."""
    found: dict[str, dict[TopicPartition, int]] = {}
    for name in OFFSET_CHECKPOINTS:
        path = os.path.join(listing.path, name)
        found[name] = {}
        with findings.of(path):
            found[name] = read_offsets(path)
    return found


def check_checkpoints(
    listing: Listing,
    checkpoints: Mapping[str, Mapping[TopicPartition, int]],
    end_offsets: Mapping[TopicPartition, int],
    findings: Findings,
) -> None:
    """Each entry against the log that it speaks of."""
    for name, offsets in checkpoints.items():
        path = os.path.join(listing.path, name)
        for (topic, partition), offset in offsets.items():
            end_offset = end_offsets.get(TopicPartition(topic, partition))
            if end_offset is None:
                findings.note(path, f"names {topic}-{partition}, which has no folder here")
            elif offset < 0:
                findings.error(path, f"has offset {offset} for {topic}-{partition}")
            elif offset > end_offset:
                _report_beyond(name, path, f"{topic}-{partition}", offset, end_offset, findings)


def _report_beyond(name: str, path: str, partition: str, offset: int, end_offset: int, findings: Findings) -> None:
    told = f"has offset {offset} for {partition}, whose log ends at {end_offset}"
    if name in _BEYOND:
        findings.error(path, f"{told}: {offset - end_offset} offsets {_BEYOND[name]}")
    else:
        findings.note(path, f"{told}; compaction begins again")


def check_presence(
    listing: Listing,
    identity: Identity,
    stored: StoredMetadata,
    checkpoints: Mapping[str, Mapping[TopicPartition, int]],
    findings: Findings,
) -> None:
    """The folders that are there against the partitions that the metadata puts into this directory."""
    here = {TopicPartition(folder.topic, folder.partition): folder for folder in listing.partitions}
    wanted = _wanted(identity, stored)
    images = stored.image.topics_by_name
    for key, folder in here.items():
        image = images.get(key.topic)
        if key.topic != "__cluster_metadata" and (image is None or key.partition >= len(image.partitions)):
            findings.note(folder.path, "is not in the metadata; a start sets it aside")
    for key in wanted - here.keys():
        path = os.path.join(listing.path, f"{key.topic}-{key.partition}")
        known = max(checkpoints[RECOVERY_POINTS].get(key, 0), checkpoints[HIGH_WATERMARKS].get(key, 0))
        if known > 0:
            findings.error(path, f"is missing, with all of its {known} offsets")
        else:
            findings.note(path, "is missing; a start makes it anew")


def _wanted(identity: Identity, stored: StoredMetadata) -> set[TopicPartition]:
    """What the metadata assigns to this very directory."""
    node_id = stored.image.node_id
    try:
        directory_id = uuid_from_text(identity.directory_id or "")
    except ProtocolError:
        return set()
    return {
        TopicPartition(topic.name, partition.index)
        for topic in stored.image.topics_by_name.values()
        for partition in topic.partitions
        if (node_id, directory_id) in zip(partition.replicas, partition.directories, strict=False)
    }
