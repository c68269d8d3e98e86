"""Where Ottla's default differs from Kafka's, and why; every other default is Kafka's."""

from __future__ import annotations

OTTLA_DEFAULTS = {
    # Kafka demands these; a broker of one node needs no choice.
    "node.id": "1",
    "broker.id": "1",  # the older name of node.id
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    # The loopback until someone asks for more: there is no authentication yet.
    "listeners": "PLAINTEXT://127.0.0.1:9092",
    # Not Kafka's folder of the temporary directory, which a reboot empties and a real Kafka may be using.
    "log.dir": "ottla-data",
    # Kafka waits 3 s for more members before a new group's first rebalance; on a laptop that is 3 s of nothing.
    "group.initial.rebalance.delay.ms": "0",
    # One broker holds one replica; Kafka's 3 and 2 stop the internal topics from being created.
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # What is served, no more: see treatment.py.
    "group.coordinator.rebalance.protocols": "classic,consumer",
    # Kafka's 50 makes a burst of new clients wait a second for the next try; a longer queue costs nothing.
    "socket.listen.backlog.size": "1024",
    # Linux lets it grow with the client; with Kafka's 102400 large batches cost 7 to 17 % more CPU.
    "socket.receive.buffer.bytes": "-1",
    # There is no JVM to report to.
    "metric.reporters": "",
}
