"""Directories that `kafka-storage format` made and Ottla opens before any Kafka, at old and new levels of the metadata.

What Ottla writes there, Kafka reads, and the other way round; each time with an earlier `metadata.version`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from ottla.protocol.records import Record

from .asking import Broker
from .contents import commit, create_topic
from .dumps import complaints
from .group_state import GroupState
from .history import LOUD, errors_in
from .place import Place
from .view import SECTIONS, differences, take_view, wait_until_ready

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.timeout(600)

GROUP = "g"
FORMATS = {
    "the newest, dynamic voters": ("--standalone",),
    "3.3, the oldest": ("--release-version", "3.3-IV3"),
}


@pytest.fixture
def place(tmp_path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    print(place.log_tail())  # noqa: T201 (pytest shows it beside a failure)
    place.close()


def write(broker: Broker, stay: int) -> None:
    """A topic, records for every topic so far from as many producers, and a commit."""
    begun_ms = int(time.time() * 1000) - 60_000
    create_topic(broker, f"t-{stay}", 2, {"segment.ms": "500"})
    for topic in range(stay + 1):
        for number in range(3):
            record = Record(0, begun_ms + 1000 * number, b"k", b"v")
            broker.append(f"t-{topic}", [record], producer=broker.new_producer(), sequence=0)
    commit(broker, GROUP, "t-0", 0, stay, "metadata")


@pytest.mark.parametrize("arguments", FORMATS.values(), ids=FORMATS)
def test_a_formatted_directory_goes_from_one_to_the_other(place, java_tools, tmp_path, arguments):
    place.format(java_tools, *arguments)
    before: dict[str, Any] = {}
    for stay, kind in enumerate(("ottla", "kafka", "ottla")):
        place.start(kind)
        with Broker(place) as broker:
            wait_until_ready(broker)
            after = take_view(broker, [GROUP] if before else [], GroupState(place))
            for section in SECTIONS if before else ():
                assert differences(before, after, section) == [], (stay, kind)
            write(broker, stay)
            before = take_view(broker, [GROUP], GroupState(place))
        place.stop()
        assert kind == "kafka" or LOUD[kind].findall(place.log_text()) == []
        assert errors_in(place.data_dirs[0]) == []
        assert complaints(java_tools, place.data_dirs, tmp_path / f"dump-{stay}.txt", crashed_kafka=False) == []
