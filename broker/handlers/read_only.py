"""What a broker that only reads its directories answers to those who want to change something.

Each answer is one that clients take for final. Where the API has room for a sentence it says why, with
POLICY_VIOLATION; where it has not, an authorization error does, since clients give up on those alone: on most others
they ask again, for ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ...protocol.api_keys import ApiKey
from ...protocol.errors import ErrorCode
from ...protocol.messages.add_offsets_to_txn import AddOffsetsToTxnResponse
from ...protocol.messages.add_partitions_to_txn import (
    AddPartitionsToTxnPartitionResult,
    AddPartitionsToTxnResponse,
    AddPartitionsToTxnTopicResult,
)
from ...protocol.messages.alter_configs import AlterConfigsResourceResponse, AlterConfigsResponse
from ...protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatResponse
from ...protocol.messages.create_partitions import CreatePartitionsResponse, CreatePartitionsTopicResult
from ...protocol.messages.create_topics import CreatableTopicResult, CreateTopicsResponse
from ...protocol.messages.delete_groups import DeletableGroupResult, DeleteGroupsResponse
from ...protocol.messages.delete_records import (
    DeleteRecordsPartitionResult,
    DeleteRecordsResponse,
    DeleteRecordsTopicResult,
)
from ...protocol.messages.delete_topics import DeletableTopicResult, DeleteTopicsResponse
from ...protocol.messages.end_txn import EndTxnResponse
from ...protocol.messages.find_coordinator import Coordinator, FindCoordinatorResponse
from ...protocol.messages.heartbeat import HeartbeatResponse
from ...protocol.messages.incremental_alter_configs import (
    AlterConfigsResourceResponse as IncrementalAlterConfigsResourceResponse,
)
from ...protocol.messages.incremental_alter_configs import IncrementalAlterConfigsResponse
from ...protocol.messages.init_producer_id import InitProducerIdResponse
from ...protocol.messages.join_group import JoinGroupResponse
from ...protocol.messages.leave_group import LeaveGroupResponse
from ...protocol.messages.offset_commit import (
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)
from ...protocol.messages.offset_delete import OffsetDeleteResponse
from ...protocol.messages.sync_group import SyncGroupResponse
from ...protocol.messages.txn_offset_commit import (
    TxnOffsetCommitResponse,
    TxnOffsetCommitResponsePartition,
    TxnOffsetCommitResponseTopic,
)
from ..metadata.endpoints import endpoint_for
from .produce_refusals import all_refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...protocol.messages.find_coordinator import FindCoordinatorRequest
    from ...protocol.messages.produce import ProduceResponse
    from ..request import RequestContext
    from ..services import Services

MESSAGE: Final = "This broker only reads its data directory: nothing can be changed."
_POLICY: Final = ErrorCode.POLICY_VIOLATION
_CLUSTER: Final = ErrorCode.CLUSTER_AUTHORIZATION_FAILED
_GROUP: Final = ErrorCode.GROUP_AUTHORIZATION_FAILED
_TRANSACTION: Final = ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED

_GROUP_KEY: Final = 0
_FIRST_VERSION_WITH_KEYS: Final = 4
_FIRST_VERSION_WITH_NULL_PROTOCOL: Final = 7
_FIRST_VERSION_WITH_TOPIC_STATES: Final = 6


# Records


def _produce(request: Any, context: RequestContext, services: Services) -> ProduceResponse | None:
    return all_refused(request, context, _POLICY, MESSAGE)


def _delete_records(request: Any, context: RequestContext, services: Services) -> DeleteRecordsResponse:
    return DeleteRecordsResponse(
        topics=[
            DeleteRecordsTopicResult(
                name=topic.name,
                partitions=[
                    DeleteRecordsPartitionResult(
                        partition_index=partition.partition_index, low_watermark=-1, error_code=_POLICY
                    )
                    for partition in topic.partitions
                ],
            )
            for topic in request.topics
        ]
    )


# Topics and configs


def _create_topics(request: Any, context: RequestContext, services: Services) -> CreateTopicsResponse:
    return CreateTopicsResponse(
        topics=[
            CreatableTopicResult(name=topic.name, error_code=_POLICY, error_message=MESSAGE) for topic in request.topics
        ]
    )


def _delete_topics(request: Any, context: RequestContext, services: Services) -> DeleteTopicsResponse:
    if context.api_version < _FIRST_VERSION_WITH_TOPIC_STATES:
        asked = [(name, bytes(16)) for name in request.topic_names]
    else:
        asked = [(topic.name, topic.topic_id) for topic in request.topics]
    return DeleteTopicsResponse(
        responses=[
            DeletableTopicResult(name=name, topic_id=topic_id, error_code=_POLICY, error_message=MESSAGE)
            for name, topic_id in asked
        ]
    )


def _create_partitions(request: Any, context: RequestContext, services: Services) -> CreatePartitionsResponse:
    return CreatePartitionsResponse(
        results=[
            CreatePartitionsTopicResult(name=topic.name, error_code=_POLICY, error_message=MESSAGE)
            for topic in request.topics
        ]
    )


def _alter_configs(request: Any, context: RequestContext, services: Services) -> AlterConfigsResponse:
    return AlterConfigsResponse(
        responses=[
            AlterConfigsResourceResponse(
                error_code=_POLICY, error_message=MESSAGE, resource_type=r.resource_type, resource_name=r.resource_name
            )
            for r in request.resources
        ]
    )


def _incremental_alter_configs(
    request: Any, context: RequestContext, services: Services
) -> IncrementalAlterConfigsResponse:
    return IncrementalAlterConfigsResponse(
        responses=[
            IncrementalAlterConfigsResourceResponse(
                error_code=_POLICY, error_message=MESSAGE, resource_type=r.resource_type, resource_name=r.resource_name
            )
            for r in request.resources
        ]
    )


# Groups


def _find_coordinator(request: FindCoordinatorRequest, context: RequestContext, services: Services) -> Any:
    """Name this broker for the groups that can be looked up here, and nobody for anything else."""
    has_keys = context.api_version >= _FIRST_VERSION_WITH_KEYS
    keys = request.coordinator_keys if has_keys else [request.key]
    coordinators = [_coordinator(request.key_type, key, context, services) for key in keys]
    if has_keys:
        return FindCoordinatorResponse(coordinators=coordinators)
    [only] = coordinators
    return FindCoordinatorResponse(
        error_code=only.error_code,
        error_message=only.error_message or ErrorCode(only.error_code).name,
        node_id=only.node_id,
        host=only.host,
        port=only.port,
    )


def _coordinator(key_type: int, key: str, context: RequestContext, services: Services) -> Coordinator:
    if key_type != _GROUP_KEY:
        code, message = _TRANSACTION, MESSAGE
    elif services.groups.shard_of(key) is None:
        code, message = _GROUP, "The partition of __consumer_offsets that keeps this group is not in this directory."
    else:
        address = endpoint_for(context, services.config)
        node_id = services.config.node_id
        return Coordinator(key=key, node_id=node_id, host=address.host, port=address.port, error_message="")
    return Coordinator(key=key, error_code=code, error_message=message, node_id=-1, host="", port=-1)


def _join_group(request: Any, context: RequestContext, services: Services) -> JoinGroupResponse:
    protocol_name = None if context.api_version >= _FIRST_VERSION_WITH_NULL_PROTOCOL else ""
    return JoinGroupResponse(error_code=_GROUP, protocol_name=protocol_name, member_id=request.member_id)


def _sync_group(request: Any, context: RequestContext, services: Services) -> SyncGroupResponse:
    return SyncGroupResponse(error_code=_GROUP)


def _heartbeat(request: Any, context: RequestContext, services: Services) -> HeartbeatResponse:
    return HeartbeatResponse(error_code=_GROUP)


def _leave_group(request: Any, context: RequestContext, services: Services) -> LeaveGroupResponse:
    return LeaveGroupResponse(error_code=_GROUP)


def _consumer_group_heartbeat(
    request: Any, context: RequestContext, services: Services
) -> ConsumerGroupHeartbeatResponse:
    return ConsumerGroupHeartbeatResponse(error_code=_GROUP, error_message=MESSAGE, member_id=request.member_id)


def _offset_commit(request: Any, context: RequestContext, services: Services) -> OffsetCommitResponse:
    return OffsetCommitResponse(
        topics=[
            OffsetCommitResponseTopic(
                name=topic.name,
                topic_id=topic.topic_id,
                partitions=[
                    OffsetCommitResponsePartition(partition_index=p.partition_index, error_code=_GROUP)
                    for p in topic.partitions
                ],
            )
            for topic in request.topics
        ]
    )


def _delete_groups(request: Any, context: RequestContext, services: Services) -> DeleteGroupsResponse:
    return DeleteGroupsResponse(
        results=[DeletableGroupResult(group_id=name, error_code=_GROUP) for name in request.groups_names]
    )


def _offset_delete(request: Any, context: RequestContext, services: Services) -> OffsetDeleteResponse:
    return OffsetDeleteResponse(error_code=_GROUP)


# Producers and transactions


def _init_producer_id(request: Any, context: RequestContext, services: Services) -> InitProducerIdResponse:
    return InitProducerIdResponse(error_code=_CLUSTER if request.transactional_id is None else _TRANSACTION)


def _add_partitions_to_txn(request: Any, context: RequestContext, services: Services) -> AddPartitionsToTxnResponse:
    topics = [
        AddPartitionsToTxnTopicResult(
            name=topic.name,
            results_by_partition=[
                AddPartitionsToTxnPartitionResult(partition_index=index, partition_error_code=_TRANSACTION)
                for index in topic.partitions
            ],
        )
        for topic in request.v3_and_below_topics
    ]
    code = ErrorCode.NONE if topics else _CLUSTER
    return AddPartitionsToTxnResponse(error_code=code, results_by_topic_v3_and_below=topics)


def _add_offsets_to_txn(request: Any, context: RequestContext, services: Services) -> AddOffsetsToTxnResponse:
    return AddOffsetsToTxnResponse(error_code=_TRANSACTION)


def _end_txn(request: Any, context: RequestContext, services: Services) -> EndTxnResponse:
    return EndTxnResponse(error_code=_TRANSACTION)


def _txn_offset_commit(request: Any, context: RequestContext, services: Services) -> TxnOffsetCommitResponse:
    return TxnOffsetCommitResponse(
        topics=[
            TxnOffsetCommitResponseTopic(
                name=topic.name,
                partitions=[
                    TxnOffsetCommitResponsePartition(partition_index=p.partition_index, error_code=_TRANSACTION)
                    for p in topic.partitions
                ],
            )
            for topic in request.topics
        ]
    )


REFUSALS: Final[dict[ApiKey, Callable[[Any, RequestContext, Services], Any]]] = {
    ApiKey.PRODUCE: _produce,
    ApiKey.DELETE_RECORDS: _delete_records,
    ApiKey.CREATE_TOPICS: _create_topics,
    ApiKey.DELETE_TOPICS: _delete_topics,
    ApiKey.CREATE_PARTITIONS: _create_partitions,
    ApiKey.ALTER_CONFIGS: _alter_configs,
    ApiKey.INCREMENTAL_ALTER_CONFIGS: _incremental_alter_configs,
    ApiKey.FIND_COORDINATOR: _find_coordinator,
    ApiKey.JOIN_GROUP: _join_group,
    ApiKey.SYNC_GROUP: _sync_group,
    ApiKey.HEARTBEAT: _heartbeat,
    ApiKey.LEAVE_GROUP: _leave_group,
    ApiKey.CONSUMER_GROUP_HEARTBEAT: _consumer_group_heartbeat,
    ApiKey.OFFSET_COMMIT: _offset_commit,
    ApiKey.DELETE_GROUPS: _delete_groups,
    ApiKey.OFFSET_DELETE: _offset_delete,
    ApiKey.INIT_PRODUCER_ID: _init_producer_id,
    ApiKey.ADD_PARTITIONS_TO_TXN: _add_partitions_to_txn,
    ApiKey.ADD_OFFSETS_TO_TXN: _add_offsets_to_txn,
    ApiKey.END_TXN: _end_txn,
    ApiKey.TXN_OFFSET_COMMIT: _txn_offset_commit,
}
"""The handlers that take the place of those that write, and of the one that creates `__consumer_offsets`."""

READS: Final = frozenset(
    {
        ApiKey.API_VERSIONS,
        ApiKey.CONSUMER_GROUP_DESCRIBE,
        ApiKey.DESCRIBE_CLUSTER,
        ApiKey.DESCRIBE_CONFIGS,
        ApiKey.DESCRIBE_GROUPS,
        ApiKey.DESCRIBE_LOG_DIRS,
        ApiKey.DESCRIBE_PRODUCERS,
        ApiKey.DESCRIBE_TOPIC_PARTITIONS,
        ApiKey.FETCH,
        ApiKey.LIST_CONFIG_RESOURCES,
        ApiKey.LIST_GROUPS,
        ApiKey.LIST_OFFSETS,
        ApiKey.LIST_PARTITION_REASSIGNMENTS,
        ApiKey.METADATA,
        ApiKey.OFFSET_FETCH,
        ApiKey.OFFSET_FOR_LEADER_EPOCH,
    }
)
"""APIs that change nothing, and are served as ever. What is in neither is not advertised."""
