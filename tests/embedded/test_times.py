"""What a fresh broker costs: by the processor's time, of which a busy machine does not take more.

`compat/bench/fresh_states.py` prints the time that passes.
"""

from __future__ import annotations

import contextlib
import statistics
import time

import confluent_kafka
import kafka
from ottla.broker import Broker

START_MS_MAX, STOP_MS_MAX, RESET_MS_MAX = 50, 50, 20
ROUNDS = 15


def processor_ms(act) -> float:
    begun = time.process_time()
    act()
    return (time.process_time() - begun) * 1000


def test_start_and_stop():
    starts, stops = [], []
    for _ in range(ROUNDS):
        broker = Broker(topics={"orders": 6, "bills": 1})
        starts.append(processor_ms(broker.start))
        broker.produce("orders", "x")
        stops.append(processor_ms(broker.stop))
    assert statistics.median(starts) < START_MS_MAX
    assert statistics.median(stops) < STOP_MS_MAX


def test_reset_with_clients_that_are_connected():
    with Broker(topics={"orders": 6}) as broker:
        producer = kafka.KafkaProducer(bootstrap_servers=broker.bootstrap_servers)
        consumer = confluent_kafka.Consumer({"bootstrap.servers": broker.bootstrap_servers, "group.id": "readers"})
        with contextlib.closing(producer), contextlib.closing(consumer):
            consumer.subscribe(["orders"])
            consumer.poll(1)
            resets = []
            for _ in range(ROUNDS):
                producer.send("orders", b"x").get(60)
                broker.commit("others", "orders", 0)
                assert broker.connections()
                resets.append(processor_ms(broker.reset))
            assert statistics.median(resets) < RESET_MS_MAX
