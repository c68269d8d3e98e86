"""UpdateFeatures, on the real metadata."""

from __future__ import annotations

import pytest
from ottla.broker.handlers import update_features
from ottla.protocol.compiler import decode, encode
from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.update_features import FeatureUpdateKey, UpdateFeaturesRequest, UpdateFeaturesResponse

from ..metadata_broker import MetadataBroker

SAFE = 2


@pytest.fixture
def broker(tmp_path):
    return MetadataBroker(tmp_path)


def ask(broker, *updates, version=2, **said):
    keys = [FeatureUpdateKey(feature=name, max_version_level=level, upgrade_type=how) for name, level, how in updates]
    answer = broker.call(update_features, UpdateFeaturesRequest(feature_updates=keys, **said), version)
    return decode(UpdateFeaturesResponse, encode(answer, version), version)


@pytest.mark.parametrize("version", [1, 2])
def test_a_feature_goes_down_and_comes_back(broker, version):
    answer = ask(broker, ("group.version", 0, SAFE), version=version)
    assert (answer.error_code, answer.error_message) == (0, None)
    assert [(each.feature, each.error_message) for each in answer.results] == (
        [("group.version", "NONE")] if version == 1 else []
    )
    assert "group.version" not in broker.metadata.image.features
    broker.restart()
    assert "group.version" not in broker.metadata.image.features
    assert ask(broker, ("group.version", 1, 1), version=version).error_code == 0
    assert broker.metadata.image.features["group.version"] == 1


def test_one_that_fails_fails_all(broker):
    before = dict(broker.metadata.image.features)
    answer = ask(broker, ("group.version", 0, SAFE), ("none", 1, 1), version=1)
    assert answer.error_code == ErrorCode.INVALID_UPDATE_VERSION
    assert "feature none" in answer.error_message
    assert (answer.results, broker.metadata.image.features) == ([], before)


def test_what_is_only_validated_changes_nothing(broker):
    end = broker.metadata.last_offset
    assert ask(broker, ("group.version", 0, SAFE), validate_only=True).error_code == 0
    assert broker.metadata.last_offset == end


def test_version_0_knows_no_downgrades(broker):
    request = UpdateFeaturesRequest(feature_updates=[FeatureUpdateKey(feature="group.version", allow_downgrade=True)])
    answer = broker.call(update_features, request, 0)
    assert answer.error_code == ErrorCode.INVALID_UPDATE_VERSION
    assert answer.error_message.endswith("without setting the upgrade type to either safe or unsafe downgrade.")
