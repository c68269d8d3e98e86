"""Ottla and Apache Kafka on the same data directory, in turn: nothing is lost, and neither finds fault with the other.

Each story is lived once; each test looks at one side of it.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

import pytest

from .history import KILL, STOP, History, Story
from .place import STANDALONE
from .view import SECTIONS, TOOLS, differences

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .history import Stay

pytestmark = pytest.mark.timeout(600)

STORIES = (
    Story("begun by Ottla", ("ottla", "ottla", "kafka", "ottla"), (KILL, STOP, KILL)),
    Story("begun by Kafka, dynamic voters", ("kafka", "ottla", "kafka"), (STOP, KILL), format=(STANDALONE,)),
    Story("begun by Kafka, two directories", ("kafka", "ottla", "kafka"), (KILL, STOP), directories=2),
)

# What Apache Kafka says on a directory that nobody else has ever had, with the same things written into it.
USUAL = re.compile(
    r"WARN \[QuorumController id=1\] Performing controller activation\."
    r"|WARN \[NodeToControllerChannelManager .*\] Attempting to close NetworkClient that has already been closed\."
    # A busy machine.
    r"|.* \(org\.apache\.kafka\.server\.BrokerLifecycleManager\)"
    r"|.* \(org\.apache\.kafka\.controller\.EventPerformanceMonitor\)"
    r"|ERROR \[QuorumController id=1\] processExpiredBrokerHeartbeat: controller event queue overloaded\."
    # A coordinator that begins to load as the leader of before, until the controller has registered the broker anew.
    r"|ERROR \[\w+ id=1\] Failed to load metadata from \S+ with epoch \d+ due to Stopped loading records"
    # Its controller may register before it has become the active one; it does so again.
    r"|ERROR \[ControllerApis nodeId=1\] Unexpected error handling request \S+\(apiKey=CONTROLLER_REGISTRATION,"
    # A share group's state that its coordinator could not ask for any more, since it is being stopped.
    r"|ERROR \[GroupCoordinator id=1\] Persister initialization failed"
    r"|ERROR \[GroupCoordinator id=1\] Received error while calling initialize state for sharing on persister"
    r"|ERROR \[PersisterStateManager\]: Unable to find node to use for coordinator lookup\."
    r"|WARN Exception while getting share coordinator "
    # A client that asks again while the first of its kind is being served.
    r"|WARN Auto topic creation failed for \S+ with error 'TOPIC_ALREADY_EXISTS'"
    # Partitions that are added to a topic, and the gap in a sequence that the test sends.
    r"|ERROR \[Broker id=1\] Expected partition grown-\d with topic id \S+ to exist, but it was missing\. Creating"
    r"|ERROR \[ReplicaManager broker=1\] Error processing append operation on partition \S+:sequences-0 "
)


@pytest.fixture(scope="module", params=STORIES, ids=[story.name for story in STORIES])
def history(request, java_tools, tmp_path_factory) -> History:
    history = History(request.param, tmp_path_factory.mktemp("handover"), java_tools)
    history.live()
    return history


def handovers(history: History) -> Iterator[tuple[str, Stay, Stay]]:
    for before, after in itertools.pairwise(history.stays):
        yield f"{before.kind} -{before.ending}-> {after.kind}", before, after


@pytest.mark.parametrize("section", [*SECTIONS, TOOLS])
def test_what_clients_see_is_as_it_was(history, section):
    for name, before, after in handovers(history):
        assert differences(before.last_view, after.first_view, section) == [], name


def test_clients_read_what_was_sent(history):
    assert [stay.read_wrong for stay in history.stays] == [[]] * len(history.stays)


def test_kafka_finds_no_fault_in_any_file(history):
    for stay in history.stays:
        assert stay.complaints == [], f"after {stay.kind} and a {stay.ending}"


def test_ottla_finds_no_fault_in_any_file(history):
    for stay in history.stays:
        assert stay.verified == [], f"after {stay.kind} and a {stay.ending}"


def test_nobody_logs_anything_unusual(history):
    for stay in history.stays:
        assert [line for line in stay.loud_lines if not USUAL.match(line)] == []


def test_producer_ids_are_never_given_twice(history):
    given = history.contents.producer_ids
    assert len(given) == len(set(given)) >= 2 * len(history.stays)


@pytest.mark.parametrize("section", ["security", "new groups"])
def test_what_only_one_of_them_serves_survives_a_stay_at_the_other(history, section):
    """Quotas, ACLs, users, and groups of protocols that the other does not speak; each look adds, none takes away."""
    looks = [look[section] for stay in history.stays for look in (stay.first_view, stay.last_view) if look]
    kinds = {kind for look in looks for kind in look}
    assert kinds
    for kind in kinds:
        seen = [set(look[kind]) for look in looks if kind in look]
        assert all(earlier <= later for earlier, later in itertools.pairwise(seen)), (kind, seen)


def test_transactions_of_a_real_client_span_handovers(history):
    assert history.transactional_records_read == history.transactional_records_sent


def test_a_producer_that_never_pauses_writes_each_record_once_and_in_order(history):
    sent, found = history.streamed
    assert len(sent) > 100
    assert found == sent
