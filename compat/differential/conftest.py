"""The two brokers of a comparison, made ready for it."""

from __future__ import annotations

import uuid

import pytest
from ottla.protocol.messages.find_coordinator import FindCoordinatorRequest

from ..wire import advertised_versions
from .play import Stage
from .side_by_side import SideBySide
from .world import GROUP, TRANSACTION, World


@pytest.fixture(scope="session")
def side_by_side(broker, reference, findings) -> SideBySide:
    """The broker and Apache Kafka. Where they are one, each of the two has names of its own."""
    run = uuid.uuid4().hex[:6]
    theirs = advertised_versions(reference.bootstrap_servers)
    ours = advertised_versions(broker.bootstrap_servers)
    findings.side_by_side = SideBySide(
        ours=_stage(broker, ours, theirs, f"a{run}-"),
        theirs=_stage(reference, ours, theirs, f"b{run}-"),
        our_versions=ours,
        their_versions=theirs,
    )
    return findings.side_by_side


def _stage(broker, ours, theirs, namespace: str) -> Stage:
    highest = {key: min(theirs[key][1], ours[key][1]) for key in theirs.keys() & ours.keys()}
    world = World(broker, highest, f"{namespace}first-", 0)
    # The internal topics are made by whoever asks first; all cases find them there.
    for key_type in (GROUP, TRANSACTION):
        request = FindCoordinatorRequest(key_type=key_type, coordinator_keys=[world.name("x")])
        world.until(
            lambda request=request: world.ask(request).coordinators[0].error_code == 0, "there are coordinators"
        )
    for name, partitions in (("__consumer_offsets", 5), ("__transaction_state", 5)):
        world.await_leaders(name, partitions)
    world.close()
    return Stage(broker, highest, namespace)
