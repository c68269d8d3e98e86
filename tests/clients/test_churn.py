"""Groups of real clients, unchanged, whose members are added, killed, paused past their session, and leave."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ..harness.java_tools import why_no_java
from .churn import PARTITIONS, SETTLE_TIMEOUT_S, Churn, Client, script_of
from .churn_members import Event
from .churn_ownership import Overlap, overlaps
from .churn_watch import Owner, check_not_gone_back, check_one_owner_each
from .group_members import MEMBERS
from .test_transactions import create_topic

KAFKA_JARS = Path.home() / ".cache" / "real-kafka" / "libs"
GO_PROGRAMS = MEMBERS / "churn_go"
BUILD_TIMEOUT_S = 300

# The clients of the classic protocol ask for the same themselves. A machine that is busy lets a process wait for
# longer than a second now and then.
OPTIONS = {
    "group.consumer.min.session.timeout.ms": "2000",
    "group.consumer.session.timeout.ms": "2000",
    "group.consumer.min.heartbeat.interval.ms": "200",
    "group.consumer.heartbeat.interval.ms": "250",
    "group.consumer.assignment.interval.ms": "100",
}


@pytest.fixture(scope="session")
def java_member(tmp_path_factory) -> tuple[str, ...]:
    if reason := why_no_java():
        pytest.skip(reason)
    classes = tmp_path_factory.mktemp("churn-java")
    jars = f"{KAFKA_JARS}/*"
    source = str(MEMBERS / "ChurnMember.java")
    subprocess.run(["javac", "-d", str(classes), "-cp", jars, source], check=True, timeout=BUILD_TIMEOUT_S)
    small = ("-Xmx64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")
    quiet = "-Dlog4j2.loggerContextFactory=org.apache.logging.log4j.simple.SimpleLoggerContextFactory"
    return ("java", *small, quiet, "-cp", f"{classes}:{jars}", "ChurnMember")


@pytest.fixture(scope="session")
def go_members(tmp_path_factory) -> Path:
    """The folder of the Go programs, one for each client."""
    if shutil.which("go") is None:
        pytest.skip("go is not installed")
    home = tmp_path_factory.mktemp("churn-go")
    sources = shutil.copytree(GO_PROGRAMS, home / "sources")
    environment = {**os.environ, "GOFLAGS": "-mod=readonly"}
    fetched = run_go(["go", "mod", "download"], sources, environment)
    if fetched.returncode:
        pytest.skip(f"the Go modules cannot be fetched: {fetched.stderr[-300:]}")
    built = run_go(["go", "build", "-buildvcs=false", "-o", f"{home}/", "./..."], sources, environment)
    assert built.returncode == 0, built.stderr
    return home


def run_go(command: list[str], sources: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=sources, env=environment, capture_output=True, text=True, timeout=BUILD_TIMEOUT_S
    )


def python_client(script: str, protocol: str) -> Client:
    return Client(protocol, (sys.executable, "-W", "ignore", str(MEMBERS / script)))


@pytest.fixture
def churn(own_broker, unique, tmp_path):
    """A function that lets a group of this client live through the script of a seed."""

    def run(client: Client, seed: int) -> None:
        broker = own_broker(OPTIONS)
        create_topic(broker, unique, PARTITIONS)
        Churn(client, broker, unique, tmp_path).run(seed)

    return run


@pytest.mark.timeout(8 * SETTLE_TIMEOUT_S)
@pytest.mark.parametrize(("protocol", "seed"), [("classic", 1), ("consumer", 2)])
def test_confluent_kafka(churn, protocol, seed):
    churn(python_client("churn_confluent.py", protocol), seed)


@pytest.mark.timeout(8 * SETTLE_TIMEOUT_S)
def test_kafka_python(churn):
    churn(python_client("churn_kafka_python.py", "classic"), 3)


@pytest.mark.timeout(8 * SETTLE_TIMEOUT_S)
def test_aiokafka(churn):
    churn(python_client("churn_aiokafka.py", "classic"), 4)


@pytest.mark.timeout(8 * SETTLE_TIMEOUT_S)
@pytest.mark.parametrize(("protocol", "seed"), [("classic", 5), ("consumer", 6)])
def test_java(churn, java_member, protocol, seed):
    churn(Client(protocol, java_member), seed)


# No pause of the first seed begins while somebody joins: back from one, franz-go 1.22.2 may find its membership gone
# when it joins again. It then keeps the partitions that it had, and commits what it has read of them as a new member.
@pytest.mark.timeout(8 * SETTLE_TIMEOUT_S + BUILD_TIMEOUT_S)
@pytest.mark.parametrize(("protocol", "seed"), [("classic", 11), ("consumer", 8)])
def test_franz_go(churn, go_members, protocol, seed):
    churn(Client(protocol, (str(go_members / "franz"),)), seed)


@pytest.mark.timeout(8 * SETTLE_TIMEOUT_S + BUILD_TIMEOUT_S)
def test_sarama(churn, go_members):
    churn(Client("classic", (str(go_members / "sarama"),)), 9)


class Said:
    """A member that has only said something."""

    def __init__(self, name: str, *events: tuple[float, str, set[int]]) -> None:
        self.name = name
        self.events = [Event(at_s, kind, frozenset(partitions)) for at_s, kind, partitions in events]


def test_two_readers_of_one_partition_are_noticed():
    first = Said("first", (1, "assigned", {0, 1}), (3, "revoked", {1}), (5, "revoked", {0}))
    second = Said("second", (2, "assigned", {2}), (4, "assigned", {0, 1}))
    assert list(overlaps([first, second])) == [Overlap(4, 0, "first", "second")]


def test_who_is_paused_or_dead_reads_nothing_until_it_has_noticed():
    paused = Said(
        "paused",
        (1, "assigned", {0}),
        (2, "paused", set()),
        (4, "continued", set()),
        (5, "assigned", {0}),
        (6, "lost", {0}),
        (8, "assigned", {1}),
    )
    killed = Said("killed", (1, "assigned", {1}), (2, "killed", set()))
    other = Said("other", (3, "assigned", {0, 1}), (7, "revoked", {0}))
    assert list(overlaps([paused, killed, other])) == [Overlap(8, 1, "other", "paused")]


def test_two_owners_and_lost_commits_are_noticed():
    with pytest.raises(AssertionError, match="partition 1 is a's and b's"):
        check_one_owner_each([("a", Owner("x", 1, frozenset({0, 1}))), ("b", Owner("y", 1, frozenset({1})))])
    with pytest.raises(AssertionError, match="went back from 5 to 4"):
        check_not_gone_back({0: 5}, {0: 4, 1: 2})
    with pytest.raises(AssertionError, match="are gone"):
        check_not_gone_back({0: 5}, {1: 2})


def test_a_seed_always_gives_the_same_script():
    assert script_of(1) == script_of(1)
    assert len({tuple(script_of(seed)) for seed in range(20)}) == 20
