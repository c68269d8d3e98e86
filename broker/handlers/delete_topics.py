"""DeleteTopics 1-6: delete topics by name or by id.

- Whatever is named twice, be it once by name and once by id, is refused and stays.
- `delete.topic.enable=false` refuses everything with TOPIC_DELETION_DISABLED.

Version notes: 5 returns messages; 6 takes topic ids (KIP-516).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ...protocol.errors import ErrorCode
from ...protocol.messages.delete_topics import DeletableTopicResult, DeleteTopicsResponse, DeleteTopicState
from ...protocol.primitives import ZERO_UUID
from ..metadata.refusal import UNKNOWN_TOPIC_OR_PARTITION_MESSAGE, Refused

if TYPE_CHECKING:
    from ...protocol.messages.delete_topics import DeleteTopicsRequest
    from ..metadata.image import MetadataImage
    from ..metadata.partition_image import TopicImage
    from ..request import RequestContext
    from ..services import Services

_FIRST_VERSION_WITH_IDS = 6
_FIRST_VERSION_WITH_DELETION_DISABLED = 3
_UNKNOWN_ID = "This server does not host this topic ID."


def handle(request: DeleteTopicsRequest, context: RequestContext, services: Services) -> DeleteTopicsResponse:
    """Find what is meant, refuse what is meant twice, delete the rest."""
    asked = request.topics
    if context.api_version < _FIRST_VERSION_WITH_IDS:
        asked = [DeleteTopicState(name=name) for name in request.topic_names]
    if not services.config.delete_topic_enable:
        return _disabled(asked, context.api_version)
    found, responses = _resolve(asked, services.metadata.image)
    return DeleteTopicsResponse(responses=responses + [_delete(topic, services) for topic in found])


def _disabled(asked: list[DeleteTopicState], api_version: int) -> DeleteTopicsResponse:
    has_code = api_version >= _FIRST_VERSION_WITH_DELETION_DISABLED
    code = ErrorCode.TOPIC_DELETION_DISABLED if has_code else ErrorCode.INVALID_REQUEST
    message = "Topic deletion is disabled."
    return DeleteTopicsResponse(responses=[_failed(topic.name, topic.topic_id, code, message) for topic in asked])


def _resolve(
    asked: list[DeleteTopicState], image: MetadataImage
) -> tuple[list[TopicImage], list[DeletableTopicResult]]:
    """The topics to delete, and the answers for what cannot be."""
    responses: list[DeletableTopicResult] = []
    names: list[str] = []
    ids: list[bytes] = []
    for topic in asked:
        if topic.name is not None and topic.topic_id == ZERO_UUID:
            names.append(topic.name)
        elif topic.name is None and topic.topic_id != ZERO_UUID:
            ids.append(topic.topic_id)
        else:
            problem = "Neither topic name nor id were specified."
            if topic.name is not None:
                problem = "You may not specify both topic name and topic id."
            responses.append(_failed(topic.name, topic.topic_id, ErrorCode.INVALID_REQUEST, problem))
    found = _unique_ids(ids, image, responses)
    _add_unique_names(names, image, found, responses)
    return [topic for topic in found.values() if topic is not None], responses


def _unique_ids(
    ids: list[bytes], image: MetadataImage, responses: list[DeletableTopicResult]
) -> dict[bytes, TopicImage | None]:
    """Every id that was given, with its topic where it is to be deleted."""
    found: dict[bytes, TopicImage | None] = {}
    for topic_id, count in Counter(ids).items():
        found[topic_id] = image.topics_by_id.get(topic_id) if count == 1 else None
        if count > 1:
            responses.append(_failed(None, topic_id, ErrorCode.INVALID_REQUEST, "Duplicate topic id."))
        elif found[topic_id] is None:
            responses.append(_failed(None, topic_id, ErrorCode.UNKNOWN_TOPIC_ID, _UNKNOWN_ID))
    return found


def _add_unique_names(
    names: list[str],
    image: MetadataImage,
    found: dict[bytes, TopicImage | None],
    responses: list[DeletableTopicResult],
) -> None:
    for name, count in Counter(names).items():
        topic = image.topics_by_name.get(name)
        if count > 1:
            responses.append(_failed(name, ZERO_UUID, ErrorCode.INVALID_REQUEST, "Duplicate topic name."))
        elif topic is None:
            responses.append(
                _failed(name, ZERO_UUID, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_OR_PARTITION_MESSAGE)
            )
        elif topic.topic_id in found:
            found[topic.topic_id] = None
            problem = "The provided topic name maps to an ID that was already supplied."
            responses.append(_failed(name, topic.topic_id, ErrorCode.INVALID_REQUEST, problem))
        else:
            found[topic.topic_id] = topic


def _delete(topic: TopicImage, services: Services) -> DeletableTopicResult:
    try:
        services.metadata.delete_topic(topic)
    except Refused as refused:
        return _failed(topic.name, topic.topic_id, refused.code, refused.message)
    return DeletableTopicResult(name=topic.name, topic_id=topic.topic_id)


def _failed(name: str | None, topic_id: bytes, code: ErrorCode, message: str | None) -> DeletableTopicResult:
    return DeletableTopicResult(name=name, topic_id=topic_id, error_code=code, error_message=message)
