"""UpdateFeatures. What changes a feature takes it back, since all cases share the brokers."""

from __future__ import annotations

from ottla.protocol.messages.describe_configs import DescribeConfigsRequest, DescribeConfigsResource
from ottla.protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from ottla.protocol.messages.update_features import FeatureUpdateKey, UpdateFeaturesRequest

from ..case import alone, versions
from ..group_requests import consumer_member

API = UpdateFeaturesRequest
UPGRADE, SAFE, UNSAFE = 1, 2, 3
GROUPS, METADATA, KRAFT, TRANSACTIONS = "group.version", "metadata.version", "kraft.version", "transaction.version"
ELR = "eligible.leader.replicas.version"


def _request(*updates, **said):
    keys = []
    for name, level, *upgrade_type in updates:
        keys.append(FeatureUpdateKey(feature=name, max_version_level=level))
        if upgrade_type:
            keys[-1].upgrade_type = upgrade_type[0]
    return UpdateFeaturesRequest(feature_updates=keys, **said)


def to_where_they_are(w):
    for name, level in ((GROUPS, 1), (METADATA, 30), (KRAFT, 1), (TRANSACTIONS, 2), (ELR, 1)):
        yield _request((name, level))


def what_is_not_there(w):
    for name in ("none", ""):
        for level in (0, 1, -1):
            yield _request((name, level))


def levels_that_are_not_there(w):
    for name, level in ((GROUPS, 2), (GROUPS, -1), (METADATA, 0), (METADATA, 6), (METADATA, 31), (KRAFT, 2), (ELR, 9)):
        yield _request((name, level))


def down_without_saying_so(w):
    for name, level in ((GROUPS, 0), (METADATA, 29), (KRAFT, 0), (TRANSACTIONS, 1), (ELR, 0)):
        yield _request((name, level))


@versions("1+")
def upgrade_types_that_are_not_there(w):
    for upgrade_type in (0, 4, -1):
        yield _request((GROUPS, 1, upgrade_type))
        yield _request(("none", 2, upgrade_type))


@versions("1+")
def the_metadata_or_the_quorum_down(w):
    for upgrade_type in (SAFE, UNSAFE):
        for name, level in ((METADATA, 29), (METADATA, 22), (METADATA, 7), (METADATA, 30), (KRAFT, 0), (KRAFT, 1)):
            yield _request((name, level, upgrade_type))


@versions("1+")
def only_validated(w):
    for upgrade_type in (SAFE, UNSAFE):
        for name, level in ((GROUPS, 0), (TRANSACTIONS, 0), (ELR, 0), ("share.version", 0), (METADATA, 30)):
            yield _request((name, level, upgrade_type), validate_only=True)
    yield _request((GROUPS, 0, SAFE), ("none", 1), validate_only=True)


def nothing(w):
    yield _request()


def a_feature_twice(w):
    yield _request((GROUPS, 1), (GROUPS, 1))


@versions("1+")
@alone
def consumer_groups_and_back(w):
    group, topic = w.group(), w.known_topic()
    yield _request((GROUPS, 0, SAFE))
    w.settle()
    yield consumer_member(group, "m", topics=[topic.name])
    yield _request((GROUPS, 1, SAFE))
    yield _request((GROUPS, 1, UPGRADE))
    w.settle()
    yield consumer_member(group, "m", topics=[topic.name])


@versions("1+")
@alone
def eligible_leader_replicas_and_back(w):
    yield _request((ELR, 0, UNSAFE))
    w.settle()
    yield _of_this_broker("1")
    yield _request((ELR, 1, UPGRADE))
    w.settle()
    yield _of_this_broker("2")
    wanted = DescribeConfigsResource(resource_type=4, resource_name="1", configuration_keys=["min.insync.replicas"])
    yield DescribeConfigsRequest(resources=[wanted], include_synonyms=True)


def _of_this_broker(value):
    changed = AlterableConfig(name="min.insync.replicas", config_operation=0, value=value)
    return IncrementalAlterConfigsRequest(
        resources=[AlterConfigsResource(resource_type=4, resource_name="1", configs=[changed])]
    )
