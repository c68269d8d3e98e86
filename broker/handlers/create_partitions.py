"""CreatePartitions 0-3: give topics more partitions, or only check that it could be done.

- Each topic succeeds or fails alone. A topic that is named twice is answered once, ahead of the others, and stays.
- More than 10,000 new partitions in one request are refused with POLICY_VIOLATION, as in CreateTopics; Kafka 4.3
  answers UNKNOWN_SERVER_ERROR, and its controller falls over when it is millions.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ...protocol.errors import ErrorCode
from ...protocol.messages.create_partitions import CreatePartitionsResponse, CreatePartitionsTopicResult
from ..metadata.refusal import Refused
from ..metadata.topic_creation import check_record_total

if TYPE_CHECKING:
    from ...protocol.messages.create_partitions import CreatePartitionsRequest, CreatePartitionsTopic
    from ..request import RequestContext
    from ..services import Services


def handle(request: CreatePartitionsRequest, context: RequestContext, services: Services) -> CreatePartitionsResponse:
    """Grow one topic after the other."""
    counts = Counter(topic.name for topic in request.topics)
    results = [
        CreatePartitionsTopicResult(
            name=name, error_code=ErrorCode.INVALID_REQUEST, error_message="Duplicate topic name."
        )
        for name, count in counts.items()
        if count > 1
    ]
    added = 0
    for topic in request.topics:
        if counts[topic.name] > 1:
            continue
        result = CreatePartitionsTopicResult(name=topic.name)
        try:
            added += _grow(topic, added, services, validate_only=request.validate_only)
        except Refused as refused:
            result.error_code, result.error_message = refused.code, refused.message
        results.append(result)
    return CreatePartitionsResponse(results=results)


def _grow(asked: CreatePartitionsTopic, added_before: int, services: Services, *, validate_only: bool) -> int:
    """How many partitions the topic got, or would get. Refused when it cannot have them."""
    metadata = services.metadata
    topic = metadata.image.topics_by_name.get(asked.name)
    if topic is None:
        raise Refused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, None)
    count_before = len(topic.partitions)
    check_record_total(added_before + asked.count - count_before)
    assignments = None
    if asked.assignments is not None:
        assignments = [assignment.broker_ids for assignment in asked.assignments]
    if validate_only:
        metadata.plan_partitions(topic, asked.count, assignments)
    else:
        metadata.create_partitions(topic, asked.count, assignments)
    return asked.count - count_before
