"""CreateTopics 2-7: create topics with partitions, replicas and configs, or only check that it could be done.

- Each topic succeeds or fails alone; what succeeds is created together, and is there when the answer leaves.
- A name that is asked for twice fails once, behind the others. Limits that concern the request fail all of it.

Version notes: 4 lets the broker choose partitions and replicas (KIP-464), which 2 and 3 may do too; 5 returns the
partitions, replicas and all configs (KIP-525); 7 returns topic ids (KIP-516).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ...protocol.errors import ErrorCode
from ...protocol.messages.create_topics import CreatableTopicConfigs, CreatableTopicResult, CreateTopicsResponse
from ..config.describe import describe_topic
from ..metadata.refusal import Refused
from ..metadata.topic_creation import NewTopic

if TYPE_CHECKING:
    from ...protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest
    from ..config.describe import DescribedConfig
    from ..metadata.topic_creation import PlannedTopic
    from ..request import RequestContext
    from ..services import Services

_FIRST_VERSION_WITH_CONFIGS = 5


def handle(request: CreateTopicsRequest, context: RequestContext, services: Services) -> CreateTopicsResponse:
    """Plan every topic, then create those that can be."""
    counts = Counter(topic.name for topic in request.topics)
    wanted = [topic for topic in request.topics if counts[topic.name] == 1]
    metadata = services.metadata
    try:
        planned, refused = metadata.plan_topics([_new_topic(topic) for topic in wanted])
        if not request.validate_only:
            metadata.create_planned_topics(planned)
    except Refused as refusal:
        planned, refused = [], {topic.name: refusal for topic in wanted}
    results = {topic.name: _created(topic, context.api_version, services) for topic in planned}
    results |= {name: _failed(name, refusal) for name, refusal in refused.items()}
    duplicates = [_duplicate(name) for name, count in counts.items() if count > 1]
    return CreateTopicsResponse(topics=[*(results[topic.name] for topic in wanted), *duplicates])


def _new_topic(topic: CreatableTopic) -> NewTopic:
    return NewTopic(
        name=topic.name,
        partition_count=topic.num_partitions,
        replication_factor=topic.replication_factor,
        assignments=[(assignment.partition_index, assignment.broker_ids) for assignment in topic.assignments],
        configs={config.name: config.value for config in topic.configs},
    )


def _created(topic: PlannedTopic, api_version: int, services: Services) -> CreatableTopicResult:
    configs: list[CreatableTopicConfigs] = []
    if api_version >= _FIRST_VERSION_WITH_CONFIGS:
        described = describe_topic(services.config.layers, topic.configs)
        configs = [_shaped(config, topic.configs.get(config.name, config.value)) for config in described]
    return CreatableTopicResult(
        name=topic.name,
        topic_id=topic.topic_id,
        error_message=None,
        num_partitions=topic.partition_count,
        replication_factor=topic.replication_factor,
        configs=configs,
    )


def _shaped(config: DescribedConfig, value: str | None) -> CreatableTopicConfigs:
    """A config with its value as it was sent: only DescribeConfigs trims it."""
    return CreatableTopicConfigs(
        name=config.name,
        value=value,
        read_only=config.read_only,
        config_source=config.source,
        is_sensitive=config.is_sensitive,
    )


def _failed(name: str, refused: Refused) -> CreatableTopicResult:
    return CreatableTopicResult(name=name, error_code=refused.code, error_message=refused.message)


def _duplicate(name: str) -> CreatableTopicResult:
    return CreatableTopicResult(name=name, error_code=ErrorCode.INVALID_REQUEST, error_message="Duplicate topic name.")
