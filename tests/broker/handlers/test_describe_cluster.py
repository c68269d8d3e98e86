"""DescribeCluster; codes and sentences were asked of Kafka 4.3.1 with the same requests."""

from __future__ import annotations

import pytest
from ottla.broker.handlers import describe_cluster
from ottla.protocol.compiler import decode, encode
from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.describe_cluster import DescribeClusterRequest, DescribeClusterResponse

from ..metadata_broker import CLUSTER_ID, MetadataBroker


def ask(broker, version, **fields):
    request = DescribeClusterRequest(**fields)
    request = decode(DescribeClusterRequest, encode(request, version), version)
    response = broker.call(describe_cluster, request, version)
    return decode(DescribeClusterResponse, encode(response, version), version)


@pytest.mark.parametrize("version", range(3))
def test_every_version_tells_the_one_broker(tmp_path, version):
    response = ask(MetadataBroker(tmp_path, ["broker.rack=r1"]), version)
    assert (response.error_code, response.cluster_id, response.controller_id) == (0, CLUSTER_ID, 1)
    [broker] = response.brokers
    assert (broker.broker_id, broker.host, broker.port, broker.rack) == (1, "10.0.0.7", 19_092, "r1")
    assert not broker.is_fenced
    assert response.cluster_authorized_operations == -(1 << 31)


def test_operations_are_told_when_asked_for(tmp_path):
    response = ask(MetadataBroker(tmp_path), 0, include_cluster_authorized_operations=True)
    assert response.cluster_authorized_operations == 8096


@pytest.mark.parametrize(
    ("endpoint_type", "code", "message"),
    [
        (
            2,
            ErrorCode.MISMATCHED_ENDPOINT_TYPE,
            "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER",
        ),
        (0, ErrorCode.UNSUPPORTED_ENDPOINT_TYPE, "Unsupported endpoint type 0"),
        (3, ErrorCode.UNSUPPORTED_ENDPOINT_TYPE, "Unsupported endpoint type 3"),
    ],
)
@pytest.mark.parametrize("version", [1, 2])
def test_this_is_no_controllers_endpoint(tmp_path, version, endpoint_type, code, message):
    response = ask(MetadataBroker(tmp_path), version, endpoint_type=endpoint_type)
    assert (response.error_code, response.error_message) == (code, message)
    assert (response.cluster_id, response.controller_id, response.brokers) == ("", -1, [])
