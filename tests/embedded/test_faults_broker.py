"""What happens to a broker as a whole: it refuses, stands still, is full, dies and comes back, leads anew."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time

import pytest
from ottla.broker import Broker, EmbeddedBrokerError, NotRunning, RequestRefused, StartFailed
from ottla.broker.embedded.loop_thread import LoopThread
from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.fetch import FetchResponse

from ..harness.raw_client import RawClient, api_versions_frame, fetch_request, request_frame

DEADLINE_S = 60


@pytest.fixture
def broker():
    with Broker(topics={"orders": 2}) as running:
        yield running


def values(broker) -> list:
    return [record.value for record in broker.records("orders")]


def wait_until(condition) -> None:
    until = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


# Refused connections


def test_new_connections_are_refused_and_old_ones_stay(broker):
    with RawClient(broker) as client:
        client.ask_api_versions()
        with broker.faults.refuse_connections() as fault:
            for _ in range(3):
                with pytest.raises(ConnectionRefusedError):
                    RawClient(broker)
            client.ask_api_versions()
            assert not fault.is_over
        with RawClient(broker) as other:
            other.ask_api_versions()
        client.ask_api_versions()
    assert broker.faults.active == []


def test_refusing_twice_ends_with_the_second(broker):
    first, second = broker.faults.refuse_connections(), broker.faults.refuse_connections()
    first.remove()
    with pytest.raises(ConnectionRefusedError):
        RawClient(broker)
    second.remove()
    RawClient(broker).socket.close()


def test_refusing_for_a_time(broker):
    fault = broker.faults.refuse_connections(seconds=60)
    with pytest.raises(ConnectionRefusedError):
        RawClient(broker)
    broker.clock.advance(minutes=2)
    assert fault.is_over
    RawClient(broker).socket.close()


def test_many_refusals_leave_no_descriptor(broker):
    def refuse() -> None:
        with broker.faults.refuse_connections():
            pass

    refuse()
    descriptors = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        refuse()
    assert len(os.listdir("/proc/self/fd")) <= descriptors
    RawClient(broker).socket.close()


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="needs IPv6")
def test_all_listeners_refuse():
    config = {
        "listeners": "ONE://127.0.0.1:0,TWO://[::1]:0",
        "listener.security.protocol.map": "ONE:PLAINTEXT,TWO:PLAINTEXT",
        "inter.broker.listener.name": "ONE",
    }
    with Broker(config=config) as broker:
        addresses = [(host, port) for _, host, port in broker._running.broker.addresses]
        with broker.faults.refuse_connections():
            for address in addresses:
                with pytest.raises(ConnectionRefusedError):
                    socket.create_connection(address)
        for address in addresses:
            socket.create_connection(address).close()


# Frozen


def test_frozen_and_thawed(broker):
    with RawClient(broker) as client:
        with broker.faults.freeze() as fault:
            client.send(api_versions_frame())
            with RawClient(broker) as late:  # the system makes connections, as for a process that sleeps
                late.send(api_versions_frame())
                late.socket.settimeout(0.05)
                client.socket.settimeout(0.05)
                for each in (client, late):
                    with pytest.raises(TimeoutError):
                        each.socket.recv(1)
                assert not fault.is_over
                fault.remove()
                late.socket.settimeout(DEADLINE_S)
                assert late.read_frame()
        client.socket.settimeout(DEADLINE_S)
        assert client.read_frame()
    assert broker.faults.active == []


def test_a_frozen_broker_is_looked_at_and_not_used(broker):
    broker.produce("orders", "before")
    with broker.faults.freeze():
        assert values(broker) == [b"before"]
        assert "in force: freeze" in broker.describe()
        for use in (
            lambda: broker.produce("orders", "x"),
            lambda: broker.create_topics(["more"]),
            lambda: broker.commit("g", "orders", 0),
            lambda: broker.clock.advance(seconds=1),
            lambda: broker.faults.freeze(),
            lambda: broker.faults.crash(),
            lambda: broker.faults.move_leader_epoch("orders"),
        ):
            with pytest.raises(EmbeddedBrokerError, match="frozen and can only be looked at"):
                use()
        with broker.faults.disconnect("Produce"):
            assert len(broker.faults.active) == 2
    broker.produce("orders", "after")
    assert sorted(values(broker)) == [b"after", b"before"]


def test_frozen_for_a_time(broker):
    begin_s = time.monotonic()
    fault = broker.faults.freeze(seconds=0.2)
    with RawClient(broker) as client:
        client.ask_api_versions()
    assert time.monotonic() - begin_s >= 0.2
    wait_until(lambda: fault.is_over)
    assert broker.faults.active == []


@pytest.mark.parametrize("end", ["reset", "stop", "clear"])
def test_what_ends_a_freeze(end):
    with Broker(topics=["orders"]) as broker:
        broker.faults.freeze()
        if end == "clear":
            broker.faults.clear()
        else:
            getattr(broker, end)()
        if end != "stop":
            broker.produce("orders", "x")


def test_who_asks_at_the_moment_of_the_thaw_is_answered():
    thread = LoopThread("thawing")
    is_over = threading.Event()
    answers: list[int] = []

    def ask() -> None:
        while not is_over.is_set():
            answers.append(thread.call(lambda: 1))

    asking = [threading.Thread(target=ask) for _ in range(3)]
    for each in asking:
        each.start()
    for round_ in range(100):
        thread.call(lambda: thread.freeze(0.0005, lambda: None))
        if round_ % 2:
            thread.thaw()
        wait_until(lambda: not thread.is_frozen)
    is_over.set()
    for each in asking:
        each.join(DEADLINE_S)
        assert not each.is_alive()
    thread.end()


# Full disks


def test_a_full_disk_refuses_and_goes_on(broker):
    broker.produce("orders", "before")
    with broker.faults.disk_full():
        with pytest.raises(RequestRefused, match="KAFKA_STORAGE_ERROR") as refused:
            broker.produce("orders", "lost")
        assert refused.value.code is ErrorCode.KAFKA_STORAGE_ERROR
        with pytest.raises(RequestRefused):
            broker.create_topics(["more"])
        with pytest.raises(EmbeddedBrokerError, match="the disk is full"):
            broker.faults.crash()
        assert values(broker) == [b"before"]
    broker.produce("orders", "after")
    broker.create_topics(["more"])
    assert values(broker) == [b"before", b"after"]


def test_a_full_disk_for_a_time(broker):
    broker.faults.disk_full(seconds=60)
    with pytest.raises(RequestRefused):
        broker.produce("orders", "lost")
    broker.clock.advance(minutes=2)
    broker.produce("orders", "after")


# Crashes


@pytest.mark.parametrize("keeps", [False, True])
def test_back_on_the_same_data_and_port(tmp_path, keeps):
    with Broker(topics={"orders": 2}, data_dir=tmp_path if keeps else None) as broker:
        port = broker.port
        broker.produce("orders", "before", partition=1)
        broker.commit("billing", "orders", 1, partition=1)
        epochs = [partition.leader_epoch for partition in broker.topics()["orders"].partitions]
        with RawClient(broker) as client:
            client.ask_api_versions()
            broker.faults.crash()
            assert client.is_closed_by_peer()
        assert broker.port == port
        assert values(broker) == [b"before"]
        assert broker.groups()["billing"].offsets["orders", 1].offset == 1
        after = [partition.leader_epoch for partition in broker.topics()["orders"].partitions]
        assert after == [epoch + 1 for epoch in epochs]
        broker.produce("orders", "after", partition=1)
        assert values(broker) == [b"before", b"after"]
        broker.reset()
        assert values(broker) == []


def test_while_it_is_down_nobody_is_there(broker):
    def is_refused() -> bool:
        crashing = threading.Thread(target=lambda: broker.faults.crash(down_seconds=0.2))
        crashing.start()
        refused = False
        while crashing.is_alive() and not refused:
            try:
                RawClient(broker).socket.close()
            except (ConnectionRefusedError, ConnectionResetError):
                refused = True
        crashing.join()
        return refused

    wait_until(is_refused)
    with RawClient(broker) as client:
        client.ask_api_versions()


def test_rules_outlive_a_crash(broker):
    broker.faults.error("ApiVersions", "INVALID_REQUEST")
    refusing = broker.faults.refuse_connections()
    broker.faults.crash()
    with pytest.raises(ConnectionRefusedError):
        RawClient(broker)
    refusing.remove()
    with RawClient(broker) as client:
        assert client.ask_api_versions().error_code == ErrorCode.INVALID_REQUEST
    assert len(broker.faults.history) == 1


def test_what_has_an_end_of_time_ends_in_the_next_life_too(broker):
    broker.faults.refuse_connections(seconds=60)
    broker.faults.crash()
    with pytest.raises(ConnectionRefusedError):
        RawClient(broker)
    broker.clock.advance(minutes=2)
    RawClient(broker).socket.close()


def test_a_broker_that_only_reads(tmp_path):
    with Broker(data_dir=tmp_path, topics=["orders"]) as broker:
        broker.produce("orders", "kept")
    with Broker(data_dir=tmp_path, config={"ottla.read.only": True}) as broker:
        broker.faults.crash()
        assert values(broker) == [b"kept"]
        with pytest.raises(RequestRefused, match="only read"):
            broker.faults.move_leader_epoch("orders")
        with broker.faults.error("Fetch", "NOT_LEADER_OR_FOLLOWER"), RawClient(broker) as client:
            assert client.fetch(fetch_request("orders")).error_code == ErrorCode.NOT_LEADER_OR_FOLLOWER


def test_a_crash_in_the_middle_of_writing():
    # Answers that wait for a disk thread are under way at any moment.
    with Broker(topics=["orders"], config={"log.flush.interval.messages": 1}) as broker:
        acknowledged: list[bytes] = []
        is_over = threading.Event()

        def produce(name: str) -> None:
            number = 0
            while not is_over.is_set():
                value = f"{name}-{number}".encode()
                try:
                    broker.produce("orders", value)
                except EmbeddedBrokerError:
                    continue  # it is down, or was killed before it could answer
                acknowledged.append(value)
                number += 1

        threads = [threading.Thread(target=produce, args=(name,)) for name in "ab"]
        for thread in threads:
            thread.start()
        for _ in range(5):
            had = len(acknowledged)
            wait_until(lambda had=had: len(acknowledged) > had + 5)
            broker.faults.crash()
        is_over.set()
        for thread in threads:
            thread.join(DEADLINE_S)
            assert not thread.is_alive()
        assert set(acknowledged) <= set(values(broker))


def test_many_crashes_leave_no_descriptor_and_no_thread(broker):
    def use_and_crash() -> None:
        broker.produce("orders", "x")
        broker.commit("g", "orders", 1)
        broker.faults.crash()

    use_and_crash()
    descriptors, threads = len(os.listdir("/proc/self/fd")), threading.active_count()
    for _ in range(5):
        use_and_crash()
    wait_until(lambda: len(os.listdir("/proc/self/fd")) <= descriptors + 2)
    wait_until(lambda: threading.active_count() <= threads + 1)
    assert len(values(broker)) == 6


def test_a_broker_that_does_not_come_back(tmp_path):
    with Broker(data_dir=tmp_path) as broker:
        (tmp_path / "meta.properties").write_text("broken")
        with pytest.raises(StartFailed, match=r"does not come back: .*meta\.properties"):
            broker.faults.crash()
        for use in (broker.topics, lambda: broker.produce("orders", "x")):
            with pytest.raises(NotRunning, match="not back"):
                use()
    assert not broker.is_running
    assert repr(broker) == "<Broker: the broker is stopped>"


def test_a_crash_from_a_coroutine():
    async def story() -> None:
        async with Broker(topics=["orders"]) as broker:
            broker.produce("orders", "x")
            await asyncio.to_thread(broker.faults.crash)
            assert values(broker) == [b"x"]

    asyncio.run(story())


# Leader epochs


def test_readers_of_an_old_epoch_are_fenced(broker):
    def fetch(epoch: int):
        asked = fetch_request("orders", max_wait_ms=60_000, min_bytes=1)
        asked.topics[0].partitions[0].current_leader_epoch = epoch
        return asked

    broker.produce("orders", "x", partition=1)
    epoch = broker.topics()["orders"].partitions[0].leader_epoch
    with RawClient(broker) as client:
        client.send(request_frame(fetch(epoch), 12))
        broker.wait_for(lambda: [each for each in broker.connections() if each.waiting_for])
        broker.faults.move_leader_epoch("orders", 0)
        _, answer = client.read_response(type(fetch_request("orders")), FetchResponse, 12)
        assert answer.responses[0].partitions[0].error_code == ErrorCode.FENCED_LEADER_EPOCH
        assert client.fetch(fetch(epoch)).error_code == ErrorCode.FENCED_LEADER_EPOCH
        assert client.fetch(fetch(epoch + 2)).error_code == ErrorCode.UNKNOWN_LEADER_EPOCH
        told = {topic.name: topic for topic in client.ask_metadata().topics}["orders"].partitions
        assert [each.leader_epoch for each in told] == [epoch + 1, epoch]
    broker.faults.move_leader_epoch("orders")
    assert [each.leader_epoch for each in broker.topics()["orders"].partitions] == [epoch + 2, epoch + 1]
    broker.produce("orders", "y", partition=0)
    broker.faults.crash()
    assert [each.leader_epoch for each in broker.topics()["orders"].partitions] == [epoch + 3, epoch + 2]
    assert sorted(values(broker)) == [b"x", b"y"]
