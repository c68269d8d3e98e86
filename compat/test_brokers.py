"""The brokers that the suite starts keep their port and what they were given."""

from __future__ import annotations

import pytest
from ottla.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest
from ottla.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic

from .brokers import CannotRun, OttlaProcess, RunningBroker
from .wire import Connection, advertised_versions


@pytest.mark.parametrize("end", ["restart", "kill"])
def test_a_broker_comes_back_where_it_was(end, tmp_path):
    broker = OttlaProcess(tmp_path)
    broker.start()
    try:
        address = broker.bootstrap_servers
        topic = CreatableTopic(name="t", num_partitions=2, replication_factor=1)
        with Connection(address) as connection:
            connection.ask(CreateTopicsRequest(topics=[topic]), 7)
        if end == "restart":
            broker.restart()
        else:
            broker.kill()
            broker.start()
        assert broker.bootstrap_servers == address
        with Connection(address) as connection:
            [found] = connection.ask(MetadataRequest(topics=[MetadataRequestTopic(name="t")]), 12).topics
        assert (found.error_code, len(found.partitions)) == (0, 2)
    finally:
        broker.stop()


def test_a_broker_of_somebody_else_is_left_alone(broker):
    running = RunningBroker(broker.bootstrap_servers)
    assert advertised_versions(running.bootstrap_servers)
    for act in (running.start, running.stop, running.kill, running.restart):
        with pytest.raises(CannotRun):
            act()
