"""Whether the cluster's features may get other levels, and the records that give them. Pure.

All updates of a request are made or none. Kafka: `FeatureControlManager.updateFeature`.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from ...protocol.errors import ErrorCode
from ...protocol.stored import metadata as stored
from .features import ELIGIBLE_LEADER_REPLICAS, FEATURES, METADATA_VERSION
from .image import ResourceType
from .kraft_state import KRAFT_VERSION, KRAFT_VERSION_HIGHEST
from .refusal import Refused
from .registration import MIN_INSYNC_REPLICAS
from .topic_creation import config_records

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...protocol.schema import Message
    from .image import MetadataImage

# Levels of metadata.version that brought records of their own: below such a level they would be lost.
_LEVELS_WITH_NEW_RECORDS: Final = frozenset({7, 8, 11, 13, 14, 15, 17, 23, 30})
_LOWEST_METADATA_VERSION_WITH_ELR: Final = 23


class UpgradeType(IntEnum):
    """Which way a level may go."""

    UPGRADE = 1
    SAFE_DOWNGRADE = 2
    UNSAFE_DOWNGRADE = 3


class FeatureUpdate(NamedTuple):
    """The level that a feature is to have. An `upgrade_type` may be none that is known."""

    name: str
    level: int
    upgrade_type: int


def feature_records(
    updates: Sequence[FeatureUpdate], image: MetadataImage, kraft_version: int, min_insync_replicas: int
) -> list[Message]:
    """The records of these updates, of which the last one of a name counts. Raises Refused for the first that fails."""
    finalized = image.features | {KRAFT_VERSION: kraft_version}
    last = {update.name: update for update in updates}
    proposed = finalized | {update.name: update.level for update in last.values()}
    records: list[Message] = []
    for update in last.values():
        problem = _problem(update, finalized.get(update.name, 0), proposed, image.node_id)
        if problem is not None:
            raise Refused(
                ErrorCode.INVALID_UPDATE_VERSION,
                f"The update failed for all features since the following feature had an error: {problem}",
            )
        if update.name != KRAFT_VERSION:
            records.append(stored.FeatureLevelRecord(name=update.name, feature_level=update.level))
    if ELIGIBLE_LEADER_REPLICAS in last and last[ELIGIBLE_LEADER_REPLICAS].level > 0:
        records += _one_minimum_for_all(image, min_insync_replicas)
    return records


def _problem(update: FeatureUpdate, current: int, proposed: Mapping[str, int], node_id: int) -> str | None:
    name, level, upgrade_type = update
    if upgrade_type not in set(UpgradeType):
        reason: str | None = "The controller does not support the given upgrade type."
    elif level < 0:
        reason = "A feature version cannot be less than 0."
    else:
        reason = _not_supported(name, level, node_id) or _wrong_way(level, current, upgrade_type)
    if reason is None and name == METADATA_VERSION:
        return _lossy_downgrade(level, current, upgrade_type)
    reason = reason or _problem_of_feature(name, level, current, proposed)
    return None if reason is None else f"Invalid update version {level} for feature {name}. {reason}"


def _not_supported(name: str, level: int, node_id: int) -> str | None:
    if name == KRAFT_VERSION:
        lowest, highest = 0, KRAFT_VERSION_HIGHEST
    elif name in FEATURES:
        lowest, highest = FEATURES[name].lowest, FEATURES[name].highest
    elif level == 0:
        return f"Feature {name} not found."
    else:
        return f"Local controller {node_id} does not support this feature."
    if lowest <= level <= highest:
        return None
    return f"Local controller {node_id} only supports versions {lowest}-{highest}"


def _wrong_way(level: int, current: int, upgrade_type: int) -> str | None:
    if level < current and upgrade_type == UpgradeType.UPGRADE:
        return (
            "Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe "
            "downgrade."
        )
    if level > current and upgrade_type != UpgradeType.UPGRADE:
        return "Can't downgrade to a newer version."
    return None


def _lossy_downgrade(level: int, current: int, upgrade_type: int) -> str | None:
    if not any(level < changed <= current for changed in _LEVELS_WITH_NEW_RECORDS):
        return None
    if upgrade_type == UpgradeType.UNSAFE_DOWNGRADE:
        reason = "Unsafe metadata downgrade is not supported in this version."
    else:
        reason = "Refusing to perform the requested downgrade because it might delete metadata information."
    return f"Unsupported {METADATA_VERSION} downgrade from {current} to {level}. {reason}"


def _problem_of_feature(name: str, level: int, current: int, proposed: Mapping[str, int]) -> str | None:
    if name == KRAFT_VERSION and level < current:
        return "Can't downgrade the version of this feature."
    if name == KRAFT_VERSION and level > current:
        return "The voters of a static quorum stay in the configuration."
    if name == ELIGIBLE_LEADER_REPLICAS and level > 0:
        wanted = _LOWEST_METADATA_VERSION_WITH_ELR
        if proposed[METADATA_VERSION] < wanted:
            return f"{name} could not be set to {level} because it depends on {METADATA_VERSION} level {wanted}"
    return None


def _one_minimum_for_all(image: MetadataImage, min_insync_replicas: int) -> list[Message]:
    """With eligible leader replicas, `min.insync.replicas` is set for the cluster and for no broker alone (KIP-966)."""
    records: list[Message] = []
    if MIN_INSYNC_REPLICAS not in image.configs_of(ResourceType.BROKER, ""):
        records += config_records(ResourceType.BROKER, "", {MIN_INSYNC_REPLICAS: str(min_insync_replicas)})
    for (resource_type, name), texts in image.configs.items():
        if resource_type == ResourceType.BROKER and name and MIN_INSYNC_REPLICAS in texts:
            records += config_records(ResourceType.BROKER, name, {MIN_INSYNC_REPLICAS: None})
    return records
