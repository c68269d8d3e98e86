"""ACLs, credentials, quotas and configs that Ottla does not serve: they outlive its snapshots, and Kafka has them."""

from __future__ import annotations

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from ottla.protocol.messages import alter_client_quotas, describe_client_quotas

from ..harness.broker_process import OttlaBroker
from ..harness.java_tools import why_no_java
from ..harness.kafka_cluster import KafkaNodes, format_directory, free_ports, write_properties
from ..harness.raw_client import RawClient

pytestmark = pytest.mark.timeout(420)

SNAPSHOTS = {
    "metadata.log.max.record.bytes.between.snapshots": "600",
    "metadata.log.max.snapshot.interval.ms": "1000",
    "metadata.max.retention.bytes": "3000",
    "internal.metadata.log.segment.bytes": "8192",
    "log.initial.task.delay.ms": "500",
}
ANY_ACL = AclBindingFilter(
    ResourceType.ANY, None, ResourcePatternType.ANY, None, None, AclOperation.ANY, AclPermissionType.ANY
)


@pytest.fixture
def kafka(tmp_path):
    reason = why_no_java()
    if reason:
        pytest.skip(reason)
    port, controller = free_ports(2)
    properties = tmp_path / "server.properties"
    settings = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "log.dirs": tmp_path / "data",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
    }
    write_properties(properties, settings)
    format_directory(properties, tmp_path / "format.log")
    nodes = KafkaNodes(tmp_path, [properties])
    nodes.port, nodes.bootstrap = port, f"127.0.0.1:{port}"
    nodes.start()
    yield nodes
    nodes.kill()


def set_up(kafka: KafkaNodes) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    binding = AclBinding(
        ResourceType.TOPIC,
        "orders",
        ResourcePatternType.PREFIXED,
        "User:alice",
        "10.0.0.1",
        AclOperation.READ,
        AclPermissionType.DENY,
    )
    credential = UserScramCredentialUpsertion(
        "alice", ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096), b"secret", b"some salt"
    )
    futures = [
        *admin.create_acls([binding]).values(),
        *admin.alter_user_scram_credentials([credential]).values(),
        *admin.create_topics([NewTopic("orders", 2, 1)]).values(),
        *admin.incremental_alter_configs(
            [
                ConfigResource(
                    ResourceType.GROUP,
                    "readers",
                    incremental_configs=[
                        ConfigEntry("consumer.session.timeout.ms", "47000", incremental_operation=AlterConfigOpType.SET)
                    ],
                )
            ]
        ).values(),
    ]
    for future in futures:
        future.result(60)
    operation = alter_client_quotas.OpData(key="producer_byte_rate", value=1024.0)
    entry = alter_client_quotas.EntryData(
        entity=[alter_client_quotas.EntityData(entity_type="user", entity_name="alice")], ops=[operation]
    )
    with RawClient(kafka) as client:
        request = alter_client_quotas.AlterClientQuotasRequest(entries=[entry])
        answer = client.ask(request, alter_client_quotas.AlterClientQuotasResponse, 1)
    assert [one.error_code for one in answer.entries] == [0]


def shown(kafka: KafkaNodes) -> dict[str, object]:
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    group = ConfigResource(ResourceType.GROUP, "readers")
    credentials = admin.describe_user_scram_credentials().result(60)
    with RawClient(kafka) as client:
        request = describe_client_quotas.DescribeClientQuotasRequest(components=[])
        quotas = client.ask(request, describe_client_quotas.DescribeClientQuotasResponse, 1)
    return {
        "acls": sorted(map(str, admin.describe_acls(ANY_ACL).result(60))),
        "credentials": [(info.mechanism, info.iterations) for info in credentials["alice"].scram_credential_infos],
        "group": admin.describe_configs([group])[group].result(60)["consumer.session.timeout.ms"].value,
        "quotas": str(quotas.entries),
        "topics": sorted(admin.list_topics(timeout=60).topics),
    }


def test_they_outlive_snapshots_and_a_log_that_was_cut(kafka, tmp_path):
    set_up(kafka)
    before = shown(kafka)
    assert len(before["acls"]) == 1
    assert "1024" in before["quotas"]
    assert before["group"] == "47000"
    kafka.stop()

    metadata_log = tmp_path / "data" / "__cluster_metadata-0"
    ottla = OttlaBroker(tmp_path, SNAPSHOTS)
    ottla.start()
    admin = AdminClient({"bootstrap.servers": ottla.bootstrap})
    made = 0
    while (metadata_log / f"{0:020d}.log").exists():
        [future] = admin.create_topics([NewTopic(f"more-{made}", 4, 1)]).values()
        future.result(60)
        made += 1
    assert ottla.stop() == 0

    kafka.start()
    after = shown(kafka)
    assert after.pop("topics") == sorted([*before.pop("topics"), *(f"more-{number}" for number in range(made))])
    assert after == before
    kafka.stop()
