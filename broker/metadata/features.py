"""The features of KIP-584: what a new cluster's log finalizes, and what clients are told.

A cluster formatted here gets the levels that Apache Kafka 4.3 would give it, so that Kafka itself, started on the
directory one day, offers everything it has. Clients learn only of features whose protocols are served: a client that
sees `group.version` 1 sends ConsumerGroupHeartbeat, so the level in the log alone must not invite it.
`kraft.version` is none of these records: its level is that of the quorum (`kraft_state.py`), and it is told like them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from ...protocol.messages.api_versions import FinalizedFeatureKey, SupportedFeatureKey
from .kraft_state import KRAFT_VERSION, KRAFT_VERSION_HIGHEST

if TYPE_CHECKING:
    from collections.abc import Mapping

METADATA_VERSION: Final = "metadata.version"
ELIGIBLE_LEADER_REPLICAS: Final = "eligible.leader.replicas.version"
TRANSACTION_VERSION: Final = "transaction.version"


_FIRST_VERSION_WITH_RANGES_FROM_0: Final = 4


class Feature(NamedTuple):
    """A feature: the levels whose records can be replayed, the level of a new cluster, whether it is served."""

    name: str
    lowest: int
    highest: int
    new_cluster_level: int
    is_served: bool


FEATURES: Final = {
    feature.name: feature
    for feature in (
        Feature(METADATA_VERSION, 7, 30, 30, is_served=True),
        Feature(ELIGIBLE_LEADER_REPLICAS, 0, 1, 1, is_served=True),
        Feature("group.version", 0, 1, 1, is_served=True),
        Feature("share.version", 0, 1, 1, is_served=False),
        Feature("streams.version", 0, 1, 1, is_served=False),
        Feature(TRANSACTION_VERSION, 0, 2, 2, is_served=True),
    )
}


class UnsupportedFeature(ValueError):
    """A log finalizes a feature, or a level of one, that this broker cannot work with."""


def check_finalized(finalized: Mapping[str, int], sources: Mapping[str, str], log: str) -> None:
    """UnsupportedFeature when a directory needs more than this broker knows.

    For the message, `sources` says by feature where its level was read, and `log` what was read.
    """
    for name, level in finalized.items():
        feature = FEATURES.get(name)
        source = sources.get(name, log)
        if feature is None:
            raise UnsupportedFeature(
                f"{source} finalizes feature {name} at {level}, which is not known; "
                "open the directory with the version that wrote it"
            )
        if not feature.lowest <= level <= feature.highest:
            raise UnsupportedFeature(
                f"{source} finalizes feature {name} at {level}, supported are {feature.lowest} to {feature.highest}; "
                f"{_way_out(feature, level)}"
            )
    if METADATA_VERSION not in finalized:
        raise UnsupportedFeature(
            f"{log} has records but no {METADATA_VERSION}: Kafka 3.2 or older wrote it; "
            "open it with Kafka 3.3 to 3.9 first, which writes one"
        )


def _way_out(feature: Feature, level: int) -> str:
    change, wanted = ("downgrade", feature.highest) if level > feature.highest else ("upgrade", feature.lowest)
    return f"let the Kafka that wrote it change that: kafka-features {change} --feature {feature.name}={wanted}"


def supported_features(api_version: int) -> list[SupportedFeatureKey]:
    """What ApiVersions lists as supported; below version 4 a range that starts at 0 is left out (KIP-584, KIP-1022)."""
    served = [(feature.name, feature.lowest, feature.highest) for feature in FEATURES.values() if feature.is_served]
    return [
        SupportedFeatureKey(name=name, min_version=lowest, max_version=highest)
        for name, lowest, highest in (*served, (KRAFT_VERSION, 0, KRAFT_VERSION_HIGHEST))
        if api_version >= _FIRST_VERSION_WITH_RANGES_FROM_0 or lowest > 0
    ]


def finalized_features(finalized: Mapping[str, int], kraft_version: int) -> list[FinalizedFeatureKey]:
    """What ApiVersions lists as finalized, of the levels that the log holds; a level of 0 is none."""
    served = [(name, level) for name, level in finalized.items() if name in FEATURES and FEATURES[name].is_served]
    return [
        FinalizedFeatureKey(name=name, max_version_level=level, min_version_level=level)
        for name, level in (*served, (KRAFT_VERSION, kraft_version))
        if level
    ]
