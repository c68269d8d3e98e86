"""ListConfigResources."""

from __future__ import annotations

from ottla.protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from ottla.protocol.messages.list_config_resources import ListConfigResourcesRequest

from ..case import versions

API = ListConfigResourcesRequest
METRICS, GROUP = 16, 32


def _configured(w):
    for kind, label, key, value in (
        (METRICS, "m", "interval.ms", "1000"),
        (GROUP, "g", "consumer.session.timeout.ms", "50000"),
    ):
        change = AlterableConfig(name=key, config_operation=0, value=value)
        resource = AlterConfigsResource(resource_type=kind, resource_name=w.name(label), configs=[change])
        w.ask(IncrementalAlterConfigsRequest(resources=[resource]))
    w.topic()
    w.settle()


def everything(w):
    _configured(w)
    yield ListConfigResourcesRequest()


@versions("1+")
def by_type(w):
    _configured(w)
    for kinds in ([2], [4], [8], [16], [32], [16, 32], [2, 2]):
        yield ListConfigResourcesRequest(resource_types=kinds)


@versions("1+")
def types_that_are_not_there(w):
    for kinds in ([0], [1], [64], [-1], [16, 3]):
        yield ListConfigResourcesRequest(resource_types=kinds)
