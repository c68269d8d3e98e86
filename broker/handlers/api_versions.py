"""ApiVersions 0-4: which APIs, versions and features this broker serves.

- Answers from the one table that also dispatches, so nothing is advertised that has no handler.
- A version above the highest is answered in version 0 with UNSUPPORTED_VERSION (KIP-511); `dispatch` does that.

Version notes: 3 is flexible and carries the client's name and version (KIP-511), features (KIP-584);
4 may name a feature with minimum version 0 (KIP-1022).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...protocol.errors import ErrorCode
from ...protocol.messages.api_versions import ApiVersionsResponse
from ..metadata.features import finalized_features, supported_features

if TYPE_CHECKING:
    from ...protocol.messages.api_versions import ApiVersionsRequest
    from ..request import RequestContext
    from ..services import Services

_SOFTWARE = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?")
_FIRST_VERSION_WITH_CLIENT_SOFTWARE = 3


def handle(request: ApiVersionsRequest, context: RequestContext, services: Services) -> ApiVersionsResponse:
    """Tell what is served; note who asks."""
    if context.api_version >= _FIRST_VERSION_WITH_CLIENT_SOFTWARE:
        names = (request.client_software_name, request.client_software_version)
        if not all(map(_SOFTWARE.fullmatch, names)):
            return ApiVersionsResponse(error_code=ErrorCode.INVALID_REQUEST)
        context.connection.client_software_name, context.connection.client_software_version = names
    image = services.metadata.image
    return ApiVersionsResponse(
        api_keys=services.apis,
        supported_features=supported_features(context.api_version),
        finalized_features_epoch=services.metadata.last_offset,
        finalized_features=finalized_features(image.features, services.metadata.kraft_version),
    )
