"""The broker in a few lines of text, for people who look at a test that failed. Runs on the broker's loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...protocol.compression import MissingCodec
from .connection_views import connections
from .group_views import groups, transactions
from .stored_records import records, topics

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .observed_broker import ObservedBroker
    from .views import GroupView, RecordView, TopicView

_LAST_RECORDS: Final = 5
_TEXT_MAX: Final = 200


def summary(broker: ObservedBroker) -> str:
    """Topics with their last records, groups, transactions, connections, the last requests."""
    services = broker.services
    sections = {
        "topics": [line for topic in topics(services, with_internal=False).values() for line in _topic(topic, broker)],
        "groups": [line for group in groups(services).values() for line in _group(group)],
        "transactions": [
            f"{view.transactional_id}: {view.state}, producer {view.producer_id} epoch {view.producer_epoch}"
            for view in transactions(services).values()
        ],
        "connections": [
            f"{view.client_id} from {view.host}:{view.port} ({view.software})"
            + (f", waits for {view.waiting_for}" if view.waiting_for else "")
            for view in connections(broker.connections)
        ],
        "last requests": [] if broker.dispatcher is None else broker.dispatcher.last_requests.lines(),
    }
    return "\n".join(line for name, lines in sections.items() for line in _section(name, lines))


def record_lines(found: Iterable[RecordView]) -> list[str]:
    """A line for each record, long ones cut."""
    return [text if len(text) <= _TEXT_MAX else text[:_TEXT_MAX] + "..." for text in map(str, found)]


def _section(name: str, lines: list[str]) -> list[str]:
    return [f"{name}:", *(f"  {line}" for line in lines)] if lines else [f"{name}: none"]


def _topic(topic: TopicView, broker: ObservedBroker) -> Iterator[str]:
    ends = ", ".join(f"{each.index}: {each.start_offset}-{each.end_offset}" for each in topic.partitions)
    yield f"{topic.name} (partition: offsets) {ends}"
    try:
        last = records(broker.services, topic.name, None, _LAST_RECORDS)
    except MissingCodec as error:
        yield f"  its records cannot be read: {error}"
        return
    for line in record_lines(last):
        yield f"  {line}"


def _group(group: GroupView) -> Iterator[str]:
    yield f"{group.group_id} ({group.protocol}): {group.state}, generation {group.generation}"
    for member in group.members:
        has = ", ".join(map(str, sorted(member.assignment))) or "nothing"
        yield f"  {member.member_id} from {member.host} has {has}"
    for partition, offset in group.offsets.items():
        yield f"  {partition}: committed {offset.offset}, lag {'unknown' if offset.lag is None else offset.lag}"
