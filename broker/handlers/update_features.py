"""UpdateFeatures 0-2: other levels for the cluster's features, which are records of the metadata log (KIP-584).

- What is given up is no longer served from the next request on: `group.version` 0 has no KIP-848 groups.
- A level is taken for features whose protocols are not served as well: a Kafka on the directory one day will have it.
- Version 0 has a field that allows downgrades, which Kafka 4 takes no notice of.

Version notes: 1 has upgrade types and validate_only (KIP-778), 2 no results by feature.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...protocol.errors import ErrorCode
from ...protocol.messages.update_features import UpdatableFeatureResult, UpdateFeaturesResponse
from ..metadata.feature_updates import FeatureUpdate, UpgradeType
from ..metadata.refusal import Refused

if TYPE_CHECKING:
    from ...protocol.messages.update_features import UpdateFeaturesRequest
    from ..request import RequestContext
    from ..services import Services

_FIRST_VERSION_WITH_UPGRADE_TYPES: Final = 1


def handle(request: UpdateFeaturesRequest, context: RequestContext, services: Services) -> UpdateFeaturesResponse:
    """Make all updates or none."""
    has_types = context.api_version >= _FIRST_VERSION_WITH_UPGRADE_TYPES
    updates = [
        FeatureUpdate(each.feature, each.max_version_level, each.upgrade_type if has_types else UpgradeType.UPGRADE)
        for each in request.feature_updates
    ]
    try:
        services.metadata.update_features(updates, validate_only=request.validate_only)
    except Refused as refused:
        return UpdateFeaturesResponse(error_code=refused.code, error_message=refused.message)
    return UpdateFeaturesResponse(
        error_message=None,
        results=[
            UpdatableFeatureResult(feature=each.feature, error_message=ErrorCode.NONE.name)
            for each in request.feature_updates
        ],
    )
