"""Every API that would write is refused in every version in which it is served, with an error that ends clients."""

from __future__ import annotations

import pytest
from ottla.broker.api_table import APIS
from ottla.broker.handlers.read_only import MESSAGE, READS, REFUSALS
from ottla.broker.read_only import read_only_advertised, read_only_apis
from ottla.broker.request import ConnectionInfo, RequestContext
from ottla.protocol.api_keys import ApiKey
from ottla.protocol.compiler import encode
from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages import (
    add_partitions_to_txn,
    alter_configs,
    create_partitions,
    create_topics,
    delete_groups,
    delete_records,
    delete_topics,
    incremental_alter_configs,
    init_producer_id,
    offset_commit,
    produce,
    txn_offset_commit,
)

FINAL = {
    ErrorCode.POLICY_VIOLATION,
    ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
    ErrorCode.GROUP_AUTHORIZATION_FAILED,
    ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
}
TOPIC_ID = b"t" * 16


def produced(version):
    data = [produce.PartitionProduceData(index=0, records=b"")]
    named = {"topic_id": TOPIC_ID} if version >= 13 else {"name": "t"}
    return produce.ProduceRequest(acks=-1, topic_data=[produce.TopicProduceData(**named, partition_data=data)])


def deleted_topics(version):
    if version >= 6:
        return delete_topics.DeleteTopicsRequest(topics=[delete_topics.DeleteTopicState(name="t")])
    return delete_topics.DeleteTopicsRequest(topic_names=["t"])


def committed(version):
    partitions = [offset_commit.OffsetCommitRequestPartition(partition_index=0, committed_offset=1)]
    named = {"topic_id": TOPIC_ID} if version >= 10 else {"name": "t"}
    topics = [offset_commit.OffsetCommitRequestTopic(**named, partitions=partitions)]
    return offset_commit.OffsetCommitRequest(group_id="g", topics=topics)


def deleted_records(version):
    partitions = [delete_records.DeleteRecordsPartition(partition_index=0, offset=1)]
    return delete_records.DeleteRecordsRequest(
        topics=[delete_records.DeleteRecordsTopic(name="t", partitions=partitions)]
    )


def altered(module, request):
    return lambda version: getattr(module, request)(
        resources=[module.AlterConfigsResource(resource_type=2, resource_name="t")]
    )


def added_partitions(version):
    if version >= 4:
        return add_partitions_to_txn.AddPartitionsToTxnRequest(
            transactions=[add_partitions_to_txn.AddPartitionsToTxnTransaction(transactional_id="x")]
        )
    topics = [add_partitions_to_txn.AddPartitionsToTxnTopic(name="t", partitions=[0])]
    return add_partitions_to_txn.AddPartitionsToTxnRequest(
        v3_and_below_transactional_id="x", v3_and_below_topics=topics
    )


def txn_committed(version):
    partitions = [txn_offset_commit.TxnOffsetCommitRequestPartition(partition_index=0)]
    topics = [txn_offset_commit.TxnOffsetCommitRequestTopic(name="t", partitions=partitions)]
    return txn_offset_commit.TxnOffsetCommitRequest(transactional_id="x", group_id="g", topics=topics)


REQUESTS = {
    ApiKey.PRODUCE: produced,
    ApiKey.DELETE_TOPICS: deleted_topics,
    ApiKey.OFFSET_COMMIT: committed,
    ApiKey.DELETE_RECORDS: deleted_records,
    ApiKey.ALTER_CONFIGS: altered(alter_configs, "AlterConfigsRequest"),
    ApiKey.INCREMENTAL_ALTER_CONFIGS: altered(incremental_alter_configs, "IncrementalAlterConfigsRequest"),
    ApiKey.CREATE_TOPICS: lambda version: create_topics.CreateTopicsRequest(
        topics=[create_topics.CreatableTopic(name="t")]
    ),
    ApiKey.CREATE_PARTITIONS: lambda version: create_partitions.CreatePartitionsRequest(
        topics=[create_partitions.CreatePartitionsTopic(name="t", count=2)]
    ),
    ApiKey.DELETE_GROUPS: lambda version: delete_groups.DeleteGroupsRequest(groups_names=["g"]),
    ApiKey.ADD_PARTITIONS_TO_TXN: added_partitions,
    ApiKey.TXN_OFFSET_COMMIT: txn_committed,
    ApiKey.INIT_PRODUCER_ID: lambda version: init_producer_id.InitProducerIdRequest(transactional_id=None),
}
CASES = [
    (api.key, version)
    for api in APIS.values()
    if api.key in REFUSALS and api.key is not ApiKey.FIND_COORDINATOR
    for version in range(api.lowest, api.highest + 1)
]


class Closed:
    reason = ""

    def __call__(self, reason):
        self.reason = reason


def context_of(request, version, close=None):
    connection = ConnectionInfo(
        connection_id=1,
        listener_name="PLAINTEXT",
        peer_host="127.0.0.1",
        peer_port=1,
        local_host="127.0.0.1",
        local_port=9092,
        close=close or Closed(),
    )
    return RequestContext(request.api_key, version, 1, "test", connection)


def codes_of(message):
    """Every error code in an answer, however deep."""
    for spec in message.fields:
        value = getattr(message, spec.name)
        if spec.name.endswith("error_code") and spec.name != "topic_config_error_code":
            yield value
        elif isinstance(value, list):
            for entry in value:
                if hasattr(entry, "fields"):
                    yield from codes_of(entry)


@pytest.mark.parametrize(("key", "version"), CASES, ids=lambda value: getattr(value, "name", value))
def test_a_change_is_refused_for_good(key, version):
    api = read_only_apis()[key]
    request = REQUESTS.get(key, lambda _: api.request())(version)
    answer = api.handle(request, context_of(request, version), None)
    assert set(codes_of(answer)) - {ErrorCode.NONE} <= FINAL
    assert set(codes_of(answer)) - {ErrorCode.NONE}
    assert encode(answer, version)


def test_a_produce_without_acknowledgement_ends_its_connection():
    closed = Closed()
    request = produced(9)
    request.acks = 0
    assert REFUSALS[ApiKey.PRODUCE](request, context_of(request, 9, closed), None) is None
    assert MESSAGE in closed.reason


def test_what_only_reads_is_served_by_its_own_handler_and_all_else_is_not_advertised():
    served = read_only_apis()
    assert {row.api_key for row in read_only_advertised()} == set(served)
    for key, api in served.items():
        own = APIS[key].handle
        assert (api.handle is own) == (key in READS)
    assert not READS & REFUSALS.keys()
    writes = {ApiKey.PRODUCE, ApiKey.CREATE_TOPICS, ApiKey.JOIN_GROUP, ApiKey.OFFSET_COMMIT, ApiKey.INIT_PRODUCER_ID}
    assert writes <= REFUSALS.keys()
