"""DescribeCluster 0-2: the brokers and the controller.

Version notes: 1 asks for brokers or controllers (KIP-919), and this endpoint knows only brokers; 2 includes fenced
brokers (KIP-1073), of which a broker that answers is none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...protocol.errors import ErrorCode
from ...protocol.messages.describe_cluster import DescribeClusterBroker, DescribeClusterResponse
from ..metadata.authorized_operations import CLUSTER_OPERATIONS, NOT_ASKED_FOR
from ..metadata.endpoints import endpoint_for

if TYPE_CHECKING:
    from ...protocol.messages.describe_cluster import DescribeClusterRequest
    from ..request import RequestContext
    from ..services import Services

_BROKERS: Final = 1
_CONTROLLERS: Final = 2


def handle(request: DescribeClusterRequest, context: RequestContext, services: Services) -> DescribeClusterResponse:
    """Answer with the one broker there is."""
    if request.endpoint_type == _CONTROLLERS:
        return DescribeClusterResponse(
            error_code=ErrorCode.MISMATCHED_ENDPOINT_TYPE,
            error_message=(
                "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER"
            ),
        )
    if request.endpoint_type != _BROKERS:
        return DescribeClusterResponse(
            error_code=ErrorCode.UNSUPPORTED_ENDPOINT_TYPE,
            error_message=f"Unsupported endpoint type {request.endpoint_type}",
        )
    image = services.metadata.image
    address = endpoint_for(context, services.config)
    broker = DescribeClusterBroker(
        broker_id=image.node_id, host=address.host, port=address.port, rack=services.config.broker_rack
    )
    with_operations = request.include_cluster_authorized_operations
    return DescribeClusterResponse(
        cluster_id=image.cluster_id,
        controller_id=image.node_id,
        brokers=[broker],
        cluster_authorized_operations=CLUSTER_OPERATIONS if with_operations else NOT_ASKED_FOR,
    )
