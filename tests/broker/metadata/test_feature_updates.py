"""Which levels features may get; the sentences are those of Kafka 4.3.1 to the same requests."""

from __future__ import annotations

import pytest
from ottla.broker.metadata.feature_updates import FeatureUpdate, UpgradeType, feature_records
from ottla.broker.metadata.image import MetadataImage
from ottla.broker.metadata.refusal import Refused
from ottla.protocol.errors import ErrorCode
from ottla.protocol.stored.metadata import ConfigRecord, FeatureLevelRecord

BROKER = 4
UPGRADE, SAFE, UNSAFE = UpgradeType
ELR = "eligible.leader.replicas.version"


def image_of(configs=(), **levels):
    image = MetadataImage("cluster", 1)
    image.features = {"metadata.version": 30, "group.version": 1, "transaction.version": 2}
    image.features |= {name.replace("_", "."): level for name, level in levels.items()}
    for name, key, value in configs:
        image.replay(ConfigRecord(resource_type=BROKER, resource_name=name, name=key, value=value))
    return image


def levels(updates, image=None, kraft_version=1):
    """What the records set: features by name, configs by (broker, key)."""
    found = {}
    for record in feature_records(
        [FeatureUpdate(*update) for update in updates], image or image_of(), kraft_version, 1
    ):
        if isinstance(record, FeatureLevelRecord):
            found[record.name] = record.feature_level
        else:
            found[record.resource_name, record.name] = record.value
    return found


def refused(*updates, image=None, kraft_version=1):
    with pytest.raises(Refused) as caught:
        levels(updates, image, kraft_version)
    assert caught.value.code == ErrorCode.INVALID_UPDATE_VERSION
    prefix = "The update failed for all features since the following feature had an error: "
    assert caught.value.message.startswith(prefix)
    return caught.value.message.removeprefix(prefix)


def test_up_down_and_where_it_is():
    assert levels([("group.version", 0, SAFE)]) == {"group.version": 0}
    assert levels([("group.version", 1, UPGRADE), ("transaction.version", 1, UNSAFE)]) == {
        "group.version": 1,
        "transaction.version": 1,
    }
    assert levels([("share.version", 1, UPGRADE)], image_of(share_version=0)) == {"share.version": 1}
    assert levels([]) == {}


def test_the_last_of_a_name_counts():
    assert levels([("group.version", 0, SAFE), ("group.version", 1, UPGRADE)]) == {"group.version": 1}


@pytest.mark.parametrize(
    ("update", "reason"),
    [
        (("group.version", 2, UPGRADE), "Local controller 1 only supports versions 0-1"),
        (("group.version", -1, UPGRADE), "A feature version cannot be less than 0."),
        (("group.version", 1, 0), "The controller does not support the given upgrade type."),
        (("group.version", 1, 4), "The controller does not support the given upgrade type."),
        (("none", 1, UPGRADE), "Local controller 1 does not support this feature."),
        (("none", 0, UPGRADE), "Feature none not found."),
        (("metadata.version", 31, UPGRADE), "Local controller 1 only supports versions 7-30"),
        (("share.version", 1, SAFE), "Can't downgrade to a newer version."),
        (("kraft.version", 0, SAFE), "Can't downgrade the version of this feature."),
        (
            ("group.version", 0, UPGRADE),
            "Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe "
            "downgrade.",
        ),
    ],
)
def test_what_is_refused(update, reason):
    name, level, _ = update
    assert refused(update) == f"Invalid update version {level} for feature {name}. {reason}"
    assert refused(("transaction.version", 1, SAFE), update).startswith("Invalid update version")


def test_the_metadata_goes_down_only_where_nothing_is_lost():
    at_29 = image_of(metadata_version=29)
    assert levels([("metadata.version", 23, SAFE)], at_29) == {"metadata.version": 23}
    assert refused(("metadata.version", 22, SAFE), image=at_29) == (
        "Unsupported metadata.version downgrade from 29 to 22. "
        "Refusing to perform the requested downgrade because it might delete metadata information."
    )
    assert refused(("metadata.version", 29, UNSAFE)) == (
        "Unsupported metadata.version downgrade from 30 to 29. "
        "Unsafe metadata downgrade is not supported in this version."
    )
    assert levels([("metadata.version", 30, UPGRADE)], at_29) == {"metadata.version": 30}


def test_a_static_quorum_stays_one():
    assert "static quorum" in refused(("kraft.version", 1, UPGRADE), kraft_version=0)
    assert levels([("kraft.version", 1, UPGRADE)]) == levels([("kraft.version", 1, SAFE)]) == {}


def test_eligible_leader_replicas_need_records_for_them():
    old = image_of(metadata_version=22)
    assert "depends on metadata.version level 23" in refused((ELR, 1, UPGRADE), image=old)
    both = levels([(ELR, 1, UPGRADE), ("metadata.version", 23, UPGRADE)], old)
    assert both[ELR] == 1


def test_eligible_leader_replicas_bring_one_minimum_in_sync_for_all():
    key = "min.insync.replicas"
    assert levels([(ELR, 1, UPGRADE)]) == {ELR: 1, ("", key): "1"}
    image = image_of([("", key, "3"), ("1", key, "2"), ("1", "max.connections", "5")])
    assert levels([(ELR, 1, UPGRADE)], image) == {ELR: 1, ("1", key): None}
    assert levels([(ELR, 0, SAFE)], image) == {ELR: 0}
