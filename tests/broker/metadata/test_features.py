"""Which features clients are told of."""

from __future__ import annotations

import pytest
from ottla.broker.metadata.features import (
    FEATURES,
    UnsupportedFeature,
    check_finalized,
    finalized_features,
    supported_features,
)


@pytest.mark.parametrize("version", [3, 4])
def test_only_what_is_served_is_told(version):
    told = {f.name: (f.min_version, f.max_version) for f in supported_features(version)}
    assert told.pop("metadata.version") == (7, 30)
    # A range that begins at 0 is known from version 4 on.
    served = {f.name: (f.lowest, f.highest) for f in FEATURES.values() if f.is_served and f.lowest == 0}
    served["kraft.version"] = (0, 1)
    assert told == (served if version == 4 else {})
    assert "transaction.version" in served


def test_what_the_log_finalizes_and_nobody_serves_is_not_told():
    levels = {feature.name: feature.highest for feature in FEATURES.values()}
    told = {f.name: (f.max_version_level, f.min_version_level) for f in finalized_features(levels, 0)}
    assert told == {f.name: (f.highest, f.highest) for f in FEATURES.values() if f.is_served}
    assert told["metadata.version"] == (30, 30)


def test_a_level_is_told_as_the_log_has_it():
    assert finalized_features({"metadata.version": 25}, 0)[0].max_version_level == 25


def test_the_quorums_level_is_told_beside_them():
    told = finalized_features({"metadata.version": 30}, 1)
    assert [(feature.name, feature.max_version_level) for feature in told] == [
        ("metadata.version", 30),
        ("kraft.version", 1),
    ]


@pytest.mark.parametrize("levels", [{"metadata.version": 6}, {"metadata.version": 31}, {"other.version": 1}])
def test_what_cannot_be_replayed_is_refused(levels):
    with pytest.raises(UnsupportedFeature, match=next(iter(levels))):
        check_finalized(levels, {}, "the log")


def test_records_without_a_level_are_those_of_an_older_kafka():
    with pytest.raises(UnsupportedFeature, match=r"the log has records but no metadata\.version: Kafka 3\.2 or older"):
        check_finalized({}, {}, "the log")


def test_what_a_new_cluster_gets_can_be_replayed():
    check_finalized({f.name: f.new_cluster_level for f in FEATURES.values() if f.new_cluster_level}, {}, "the log")
