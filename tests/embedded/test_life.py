"""A broker in this process: how it begins, how it ends, and what it leaves behind."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
from ottla.broker import AlreadyStarted, Broker, InvalidOption, NotRunning, RequestRefused, StartFailed, TopicSpec
from ottla.broker.embedded import ephemeral_home

from ..harness.raw_client import RawClient, api_versions_frame

DEADLINE_S = 60


def answers(broker: Broker) -> bool:
    with RawClient(broker) as client:
        client.send(api_versions_frame())
        return len(client.read_frame()) > 0


@pytest.fixture
def memory(monkeypatch, tmp_path):
    """A place that counts as memory, for the brokers of this test alone."""
    monkeypatch.setattr(ephemeral_home, "_MEMORY", str(tmp_path))
    monkeypatch.setattr(ephemeral_home, "_FREE_BYTES_MIN", 0)
    return tmp_path


def test_with_starts_and_stops_and_leaves_nothing(memory):
    with Broker() as broker:
        assert broker.bootstrap_servers == f"127.0.0.1:{broker.port}"
        assert answers(broker)
        assert len(os.listdir(memory)) == 1
    assert os.listdir(memory) == []
    assert repr(broker) == "<Broker: the broker is stopped>"


def test_async_with():
    async def story() -> None:
        async with Broker(topics=["orders"]) as broker:
            reader, writer = await asyncio.open_connection("127.0.0.1", broker.port)
            writer.write(api_versions_frame())
            assert await reader.read(4)
            writer.close()
            await writer.wait_closed()
        with pytest.raises(NotRunning):
            _ = broker.bootstrap_servers

    asyncio.run(story())


def test_an_exception_in_a_coroutine_ends_the_broker():
    kept: list[Broker] = []

    async def story() -> None:
        async with Broker() as broker:
            kept.append(broker)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(story())
    assert not kept[0].is_running


def test_several_at_once_are_several():
    with Broker(topics=["one"]) as first, Broker(topics=["two"]) as second:
        assert first.port != second.port
        assert answers(first)
        assert answers(second)
        second.faults.freeze()
        second.clock.now_ms()
        first.produce("one", "x")
        assert (list(first.topics()), list(second.topics())) == (["one"], ["two"])


def test_a_port_that_is_asked_for_and_one_that_is_taken():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with Broker(port=port) as broker:
        assert broker.port == port
        with pytest.raises(StartFailed, match="cannot listen on"):
            Broker(port=port).start()
        assert answers(broker)


def test_listeners_of_ones_own():
    listeners = "PLAINTEXT://127.0.0.1:0,OTHER://127.0.0.1:0"
    config = {"listeners": listeners, "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,OTHER:PLAINTEXT"}
    with Broker(config=config) as broker:
        assert answers(broker)


def test_a_directory_that_is_kept(tmp_path):
    with Broker(data_dir=tmp_path, topics={"orders": 2}), pytest.raises(StartFailed, match="lock"):
        Broker(data_dir=tmp_path).start()
    assert (tmp_path / "orders-1").is_dir()
    with Broker(data_dir=tmp_path) as broker, pytest.raises(RequestRefused, match="TOPIC_ALREADY_EXISTS"):
        broker.create_topics(["orders"])


def test_an_exception_ends_the_broker():
    before = set(threading.enumerate())  # the fixture's own broker may be among them
    with pytest.raises(ZeroDivisionError), Broker() as broker:
        1 / 0  # noqa: B018
    with pytest.raises(NotRunning):
        _ = broker.port
    assert not [thread for thread in set(threading.enumerate()) - before if thread.name == "ottla-broker"]


# What people do wrong


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"config": {"num.partitionz": "3"}}, "config: num.partitionz=3: unknown key; did you mean num.partitions"),
        ({"config": {"num.partitions": "many"}}, "config: num.partitions=many"),
        ({"config": {"num.partitions": None}}, "config: None: a value is text"),
        ({"config": {"log.dirs": "data"}}, "config: log.dirs=data: where the data lies is said with data_dir="),
        ({"port": 70_000}, "port: 70000: not a port"),
        ({"log_level": "loud"}, "not a level"),
    ],
)
def test_options_that_cannot_be(memory, options, message):
    with pytest.raises(InvalidOption, match=message):
        Broker(**options).start()
    assert os.listdir(memory) == []


@pytest.mark.parametrize("topics", ["orders", {"orders": "six"}, {"orders": True}, [1], {1: 1}])
def test_topics_that_cannot_be(topics):
    with pytest.raises(InvalidOption):
        Broker(topics=topics)


def test_a_topic_that_is_refused_at_the_start_leaves_nothing(memory):
    with pytest.raises(RequestRefused, match=r"topic orders: INVALID_CONFIG: Unknown topic config name: no.such.key"):
        Broker(topics={"orders": TopicSpec(config={"no.such.key": 1})}).start()
    assert os.listdir(memory) == []


def test_a_topic_that_is_refused_later_changes_nothing():
    with Broker(topics=["orders"]) as broker:
        with pytest.raises(RequestRefused, match="INVALID_PARTITIONS"):
            broker.create_topics({"more": 0})
        broker.create_topics({"more": TopicSpec(3, {"retention.ms": 1000, "preallocate": False})})
        assert answers(broker)


def test_a_second_start():
    with Broker() as broker:
        with pytest.raises(AlreadyStarted):
            broker.start()
        assert answers(broker)
    with pytest.raises(AlreadyStarted):
        broker.start()


def test_use_before_the_start_and_after_the_stop():
    broker = Broker()
    broker.stop()
    with pytest.raises(NotRunning, match="not started"):
        _ = broker.bootstrap_servers
    broker.start()
    broker.stop()
    broker.stop()
    with pytest.raises(NotRunning, match="stopped"):
        broker.create_topics(["orders"])


USES = {
    "reset": lambda broker: broker.reset(),
    "topics": lambda broker: broker.topics(),
    "records": lambda broker: broker.records("orders"),
    "end_offsets": lambda broker: broker.end_offsets("orders"),
    "groups": lambda broker: broker.groups(),
    "transactions": lambda broker: broker.transactions(),
    "connections": lambda broker: broker.connections(),
    "describe": lambda broker: broker.describe(),
    "produce": lambda broker: broker.produce("orders", "x"),
    "commit": lambda broker: broker.commit("g", "orders", 0),
    "wait_for": lambda broker: broker.wait_for(lambda: True),
    "expect": lambda broker: broker.expect("orders", 1),
    "port": lambda broker: broker.port,
    "clock": lambda broker: broker.clock.advance(seconds=1),
    "fault": lambda broker: broker.faults.freeze(),
    "crash": lambda broker: broker.faults.crash(),
    "move_leader_epoch": lambda broker: broker.faults.move_leader_epoch("orders"),
}


@pytest.mark.parametrize("use", USES.values(), ids=list(USES))
def test_each_use_after_the_stop(use):
    with Broker(topics=["orders"]) as broker:
        pass
    with pytest.raises(NotRunning, match="stopped"):
        use(broker)


def test_who_asks_while_the_broker_stops_gets_an_answer():
    broker = Broker(topics=["orders"]).start()
    has_begun = threading.Event()
    ended_with: list[type[BaseException]] = []

    def ask() -> None:
        try:
            while True:
                broker.topics()
                has_begun.set()
        except NotRunning as error:
            ended_with.append(type(error))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert has_begun.wait(DEADLINE_S)
    broker.stop()
    for thread in threads:
        thread.join(DEADLINE_S)
    assert ended_with == [NotRunning] * 4


# Processes


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_forked_child_does_not_touch_the_broker():
    with Broker() as broker, RawClient(broker) as client:
        client.send(api_versions_frame())
        client.read_frame()
        child = os.fork()
        if child == 0:
            child_of(broker)
        client.send(api_versions_frame())
        assert client.read_frame()
        assert answers(broker)
        broker.stop()
        # The child, which is still there, does not keep the connection open.
        assert client.socket.recv(1) == b""
    os.kill(child, signal.SIGUSR1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def child_of(broker: Broker) -> None:
    """Try to use and to stop the parent's broker; begin an own one; end when told."""
    status = 1
    try:
        signal.signal(signal.SIGUSR1, lambda *_: None)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
        with pytest.raises(NotRunning, match="forked"):
            _ = broker.port
        broker.stop()
        with Broker() as own:
            assert answers(own)
        signal.sigwait({signal.SIGUSR1})
        status = 0
    finally:
        os._exit(status)


def test_a_forked_child_that_ends_as_a_whole_leaves_the_broker_alone():
    program = """
import os, socket, sys
from ottla.broker import Broker
broker = Broker(topics=["orders"]).start()
child = os.fork()
if child == 0:
    sys.exit(7)  # with everything that an interpreter does at its end
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
broker.produce("orders", "x")
socket.create_connection(("127.0.0.1", broker.port)).close()
print(len(broker.records("orders")))
"""
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "1\n", "")


def test_the_end_of_the_interpreter_is_a_clean_stop(tmp_path):
    program = f"""
import sys
from ottla.broker import Broker
kept = Broker(data_dir={str(tmp_path / "kept")!r}, topics=["orders"]).start()
other = Broker().start()
print(other._running.broker.describe())
sys.exit(3)
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )
    assert (ended.returncode, ended.stderr) == (3, "")
    ephemeral = ended.stdout.strip().rpartition("data in ")[2]
    assert "ottla-" in ephemeral
    assert not os.path.exists(ephemeral)
    assert (tmp_path / "kept" / ".kafka_cleanshutdown").exists()


@pytest.mark.parametrize("last", ["raise KeyError('lost')", "broker.faults.freeze()", "broker.faults.disk_full()"])
def test_the_interpreter_ends_while_clients_are_connected(last):
    program = f"""
import socket, threading
from kafka import KafkaConsumer, KafkaProducer
from ottla.broker import Broker
broker = Broker(topics=["orders"]).start()
producer = KafkaProducer(bootstrap_servers=broker.bootstrap_servers)
producer.send("orders", b"x").get(30)
idle = socket.create_connection(("127.0.0.1", broker.port))
waiting = threading.Thread(target=broker.wait_for, args=(lambda: False, 600), daemon=True)
waiting.start()
print(broker._running.broker.directories.directories[0].path, flush=True)
{last}
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )
    assert ended.returncode == (1 if "raise" in last else 0), ended.stderr
    assert not os.path.exists(ended.stdout.strip())


def test_importing_the_package_loads_no_broker():
    program = "import sys, ottla.broker; print(sorted(m for m in sys.modules if m.startswith('ottla.')))"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=DEADLINE_S)
    assert shown.stdout == "['ottla.broker']\n", shown.stderr


def test_many_brokers_leave_no_descriptor_and_no_thread():
    with Broker():
        pass
    descriptors, before = len(os.listdir("/proc/self/fd")), set(threading.enumerate())
    for _ in range(10):
        with Broker(topics={"orders": 3}):
            pass
    assert len(os.listdir("/proc/self/fd")) <= descriptors
    until = time.monotonic() + DEADLINE_S
    while set(threading.enumerate()) - before:
        assert time.monotonic() < until, threading.enumerate()
        time.sleep(0.01)


def test_threads_begin_when_there_is_work():
    before = threading.active_count()
    with Broker():
        assert threading.active_count() - before < 10


# Logs


def test_nothing_is_said_unless_asked():
    program = "from ottla.broker import Broker\nfor level in {levels}:\n    with Broker(log_level=level): pass"
    said = {}
    for levels in ([None], ["info", None]):
        ended = subprocess.run(
            [sys.executable, "-c", program.format(levels=levels)], capture_output=True, text=True, timeout=DEADLINE_S
        )
        said[len(levels)] = (ended.returncode, ended.stdout, ended.stderr.count("stopped"))
    assert said == {1: (0, "", 0), 2: (0, "", 1)}


def test_brokers_share_one_log_and_leave_levels_as_they_were(capsys):
    package = logging.getLogger("ottla")
    before = package.level
    first, second = Broker(log_level="info"), Broker(log_level="debug")
    first.start()
    second.start()
    assert package.level == logging.DEBUG
    first.create_topics(["orders"])
    first.stop()
    assert package.level == logging.DEBUG
    second.stop()
    assert package.level == before
    said = capsys.readouterr().err
    assert said.count("created topic orders") == 1
    assert said.count("stopped") == 2
    with Broker():
        pass
    assert capsys.readouterr().err == ""
