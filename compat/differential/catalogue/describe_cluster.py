"""DescribeCluster."""

from __future__ import annotations

from ottla.protocol.messages.describe_cluster import DescribeClusterRequest

from ..case import versions

API = DescribeClusterRequest


def plainly(w):
    yield DescribeClusterRequest()


def with_authorized_operations(w):
    yield DescribeClusterRequest(include_cluster_authorized_operations=True)


@versions("1+")
def endpoints_that_are_not_here(w):
    for endpoint_type in (2, 0, 3, -1):
        yield DescribeClusterRequest(endpoint_type=endpoint_type)


@versions("2+")
def with_fenced_brokers(w):
    yield DescribeClusterRequest(include_fenced_brokers=True)
