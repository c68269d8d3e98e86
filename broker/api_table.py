"""Every API that this broker serves: its number, its versions, its request and its handler.

The one list: requests are dispatched by it, ApiVersions answers from it, tests and documentation read it. What has
no row here is not advertised.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..protocol.api_keys import ApiKey
from ..protocol.messages.add_offsets_to_txn import AddOffsetsToTxnRequest
from ..protocol.messages.add_partitions_to_txn import AddPartitionsToTxnRequest
from ..protocol.messages.alter_configs import AlterConfigsRequest
from ..protocol.messages.alter_partition_reassignments import AlterPartitionReassignmentsRequest
from ..protocol.messages.api_versions import ApiVersion, ApiVersionsRequest
from ..protocol.messages.consumer_group_describe import ConsumerGroupDescribeRequest
from ..protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest
from ..protocol.messages.create_partitions import CreatePartitionsRequest
from ..protocol.messages.create_topics import CreateTopicsRequest
from ..protocol.messages.delete_groups import DeleteGroupsRequest
from ..protocol.messages.delete_records import DeleteRecordsRequest
from ..protocol.messages.delete_topics import DeleteTopicsRequest
from ..protocol.messages.describe_cluster import DescribeClusterRequest
from ..protocol.messages.describe_configs import DescribeConfigsRequest
from ..protocol.messages.describe_groups import DescribeGroupsRequest
from ..protocol.messages.describe_log_dirs import DescribeLogDirsRequest
from ..protocol.messages.describe_producers import DescribeProducersRequest
from ..protocol.messages.describe_quorum import DescribeQuorumRequest
from ..protocol.messages.describe_topic_partitions import DescribeTopicPartitionsRequest
from ..protocol.messages.describe_transactions import DescribeTransactionsRequest
from ..protocol.messages.elect_leaders import ElectLeadersRequest
from ..protocol.messages.end_txn import EndTxnRequest
from ..protocol.messages.fetch import FetchRequest
from ..protocol.messages.find_coordinator import FindCoordinatorRequest
from ..protocol.messages.heartbeat import HeartbeatRequest
from ..protocol.messages.incremental_alter_configs import IncrementalAlterConfigsRequest
from ..protocol.messages.init_producer_id import InitProducerIdRequest
from ..protocol.messages.join_group import JoinGroupRequest
from ..protocol.messages.leave_group import LeaveGroupRequest
from ..protocol.messages.list_config_resources import ListConfigResourcesRequest
from ..protocol.messages.list_groups import ListGroupsRequest
from ..protocol.messages.list_offsets import ListOffsetsRequest
from ..protocol.messages.list_partition_reassignments import ListPartitionReassignmentsRequest
from ..protocol.messages.list_transactions import ListTransactionsRequest
from ..protocol.messages.metadata import MetadataRequest
from ..protocol.messages.offset_commit import OffsetCommitRequest
from ..protocol.messages.offset_delete import OffsetDeleteRequest
from ..protocol.messages.offset_fetch import OffsetFetchRequest
from ..protocol.messages.offset_for_leader_epoch import OffsetForLeaderEpochRequest
from ..protocol.messages.produce import ProduceRequest
from ..protocol.messages.sync_group import SyncGroupRequest
from ..protocol.messages.txn_offset_commit import TxnOffsetCommitRequest
from ..protocol.messages.update_features import UpdateFeaturesRequest
from ..protocol.messages.write_txn_markers import WriteTxnMarkersRequest
from .handlers import (
    add_offsets_to_txn,
    add_partitions_to_txn,
    alter_configs,
    alter_partition_reassignments,
    api_versions,
    consumer_group_describe,
    consumer_group_heartbeat,
    create_partitions,
    create_topics,
    delete_groups,
    delete_records,
    delete_topics,
    describe_cluster,
    describe_configs,
    describe_groups,
    describe_log_dirs,
    describe_producers,
    describe_quorum,
    describe_topic_partitions,
    describe_transactions,
    elect_leaders,
    end_txn,
    fetch,
    find_coordinator,
    heartbeat,
    incremental_alter_configs,
    init_producer_id,
    join_group,
    leave_group,
    list_config_resources,
    list_groups,
    list_offsets,
    list_partition_reassignments,
    list_transactions,
    metadata,
    offset_commit,
    offset_delete,
    offset_fetch,
    offset_for_leader_epoch,
    produce,
    sync_group,
    txn_offset_commit,
    update_features,
    write_txn_markers,
)
from .handlers.repeated_commit import RepeatedCommits
from .handlers.repeated_heartbeat import RepeatedConsumerHeartbeats, RepeatedHeartbeats
from .handlers.repeated_produce import RepeatedProduces
from .handlers.repeated_transactions import RepeatedAdds, RepeatedEnds

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..protocol.schema import Message
    from .handlers.repeated import Repeated
    from .services import Services


class Api(NamedTuple):
    """One API as it is served."""

    key: ApiKey
    lowest: int
    highest: int
    request: type[Message]
    handle: Callable[..., Any]
    """Takes the request, its context and the services; returns a response, a Deferred one, or None."""
    repeated: Callable[[Services], Repeated] | None = None
    """Makes what answers those requests that repeat an earlier one."""


APIS: Final[dict[int, Api]] = {
    api.key: api
    for api in (
        Api(ApiKey.PRODUCE, 3, 13, ProduceRequest, produce.handle, RepeatedProduces),
        Api(ApiKey.FETCH, 4, 18, FetchRequest, fetch.handle),
        Api(ApiKey.LIST_OFFSETS, 1, 11, ListOffsetsRequest, list_offsets.handle),
        Api(ApiKey.METADATA, 0, 13, MetadataRequest, metadata.handle),
        Api(ApiKey.OFFSET_COMMIT, 2, 10, OffsetCommitRequest, offset_commit.handle, RepeatedCommits),
        Api(ApiKey.OFFSET_FETCH, 1, 10, OffsetFetchRequest, offset_fetch.handle),
        Api(ApiKey.FIND_COORDINATOR, 0, 6, FindCoordinatorRequest, find_coordinator.handle),
        Api(ApiKey.JOIN_GROUP, 0, 9, JoinGroupRequest, join_group.handle),
        Api(ApiKey.HEARTBEAT, 0, 4, HeartbeatRequest, heartbeat.handle, RepeatedHeartbeats),
        Api(ApiKey.LEAVE_GROUP, 0, 5, LeaveGroupRequest, leave_group.handle),
        Api(ApiKey.SYNC_GROUP, 0, 5, SyncGroupRequest, sync_group.handle),
        Api(ApiKey.DESCRIBE_GROUPS, 0, 6, DescribeGroupsRequest, describe_groups.handle),
        Api(ApiKey.LIST_GROUPS, 0, 5, ListGroupsRequest, list_groups.handle),
        Api(ApiKey.API_VERSIONS, 0, 4, ApiVersionsRequest, api_versions.handle),
        Api(ApiKey.CREATE_TOPICS, 2, 7, CreateTopicsRequest, create_topics.handle),
        Api(ApiKey.DELETE_TOPICS, 1, 6, DeleteTopicsRequest, delete_topics.handle),
        Api(ApiKey.DELETE_RECORDS, 0, 2, DeleteRecordsRequest, delete_records.handle),
        Api(ApiKey.INIT_PRODUCER_ID, 0, 5, InitProducerIdRequest, init_producer_id.handle),
        Api(ApiKey.OFFSET_FOR_LEADER_EPOCH, 2, 4, OffsetForLeaderEpochRequest, offset_for_leader_epoch.handle),
        Api(ApiKey.ADD_PARTITIONS_TO_TXN, 0, 5, AddPartitionsToTxnRequest, add_partitions_to_txn.handle, RepeatedAdds),
        Api(ApiKey.ADD_OFFSETS_TO_TXN, 0, 4, AddOffsetsToTxnRequest, add_offsets_to_txn.handle),
        Api(ApiKey.END_TXN, 0, 5, EndTxnRequest, end_txn.handle, RepeatedEnds),
        Api(ApiKey.WRITE_TXN_MARKERS, 1, 2, WriteTxnMarkersRequest, write_txn_markers.handle),
        Api(ApiKey.TXN_OFFSET_COMMIT, 0, 5, TxnOffsetCommitRequest, txn_offset_commit.handle),
        Api(ApiKey.DESCRIBE_CONFIGS, 1, 4, DescribeConfigsRequest, describe_configs.handle),
        Api(ApiKey.ALTER_CONFIGS, 0, 2, AlterConfigsRequest, alter_configs.handle),
        Api(ApiKey.DESCRIBE_LOG_DIRS, 1, 5, DescribeLogDirsRequest, describe_log_dirs.handle),
        Api(ApiKey.CREATE_PARTITIONS, 0, 3, CreatePartitionsRequest, create_partitions.handle),
        Api(ApiKey.DELETE_GROUPS, 0, 2, DeleteGroupsRequest, delete_groups.handle),
        Api(ApiKey.ELECT_LEADERS, 0, 2, ElectLeadersRequest, elect_leaders.handle),
        Api(ApiKey.INCREMENTAL_ALTER_CONFIGS, 0, 1, IncrementalAlterConfigsRequest, incremental_alter_configs.handle),
        Api(
            ApiKey.ALTER_PARTITION_REASSIGNMENTS,
            0,
            1,
            AlterPartitionReassignmentsRequest,
            alter_partition_reassignments.handle,
        ),
        Api(
            ApiKey.LIST_PARTITION_REASSIGNMENTS,
            0,
            0,
            ListPartitionReassignmentsRequest,
            list_partition_reassignments.handle,
        ),
        Api(ApiKey.OFFSET_DELETE, 0, 0, OffsetDeleteRequest, offset_delete.handle),
        Api(ApiKey.DESCRIBE_QUORUM, 0, 2, DescribeQuorumRequest, describe_quorum.handle),
        Api(ApiKey.UPDATE_FEATURES, 0, 2, UpdateFeaturesRequest, update_features.handle),
        Api(ApiKey.DESCRIBE_CLUSTER, 0, 2, DescribeClusterRequest, describe_cluster.handle),
        Api(ApiKey.DESCRIBE_PRODUCERS, 0, 0, DescribeProducersRequest, describe_producers.handle),
        Api(ApiKey.DESCRIBE_TRANSACTIONS, 0, 0, DescribeTransactionsRequest, describe_transactions.handle),
        Api(ApiKey.LIST_TRANSACTIONS, 0, 2, ListTransactionsRequest, list_transactions.handle),
        Api(
            ApiKey.CONSUMER_GROUP_HEARTBEAT,
            0,
            1,
            ConsumerGroupHeartbeatRequest,
            consumer_group_heartbeat.handle,
            RepeatedConsumerHeartbeats,
        ),
        Api(ApiKey.CONSUMER_GROUP_DESCRIBE, 0, 1, ConsumerGroupDescribeRequest, consumer_group_describe.handle),
        Api(ApiKey.LIST_CONFIG_RESOURCES, 0, 1, ListConfigResourcesRequest, list_config_resources.handle),
        Api(ApiKey.DESCRIBE_TOPIC_PARTITIONS, 0, 0, DescribeTopicPartitionsRequest, describe_topic_partitions.handle),
    )
}

# Kafka advertises Produce from 0 although it serves 3 and up, since old librdkafka looks for 0 and then sends newer.
_PRODUCE_ADVERTISED_FROM = 0


def advertised() -> list[ApiVersion]:
    """The rows of ApiVersions."""
    return [
        ApiVersion(
            api_key=api.key,
            min_version=_PRODUCE_ADVERTISED_FROM if api.key == ApiKey.PRODUCE else api.lowest,
            max_version=api.highest,
        )
        for api in APIS.values()
    ]
