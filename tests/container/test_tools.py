"""The image's two command-line tools beside Kafka's own: the same words and exit statuses, from the same broker."""

from __future__ import annotations

import pytest
from ottla.broker.container.tools import API_VERSIONS, TOPICS, main

from ..harness.java_tools import TOPICS as KAFKA_TOPICS

KAFKA_API_VERSIONS = "org.apache.kafka.tools.BrokerApiVersionsCommand"

STORY = [
    ["--create", "--topic", "a.b", "--partitions", "3", "--config", "retention.ms=5000", "--replication-factor", "1"],
    ["--create", "--topic", "plain"],
    ["--create", "--topic", "plain"],
    ["--create", "--topic", "plain", "--if-not-exists"],
    ["--create", "--topic", "b a d"],
    ["--create", "--topic", "x", "--config", "nope=1"],
    ["--create", "--topic", "x", "--config", "nope"],
    ["--create", "--topic", "x", "--partitions", "0"],
    ["--create", "--topic", "x", "--replication-factor", "2"],
    ["--list"],
    ["--list", "--topic", "pl.*"],
    ["--list", "--topic", "plain,a"],
    ["--list", "--exclude-internal"],
    ["--delete", "--topic", "absent"],
    ["--delete", "--topic", "absent", "--if-exists"],
    ["--delete", "--topic", "plain"],
    ["--list"],
    ["--delete", "--topic", ".*"],
    ["--list"],
]


def run(capsys, program, *arguments) -> tuple[int, str, str]:
    try:
        status = main(program, arguments)
    except SystemExit as ended:
        status = ended.code
    said = capsys.readouterr()
    return status, said.out, said.err


def test_topics_as_kafkas_tool(kafka_broker_factory, capsys, java_tools):
    kafka = kafka_broker_factory()  # one that nobody has used: the story ends with the deletion of Kafka's own topics
    server = ["--bootstrap-server", kafka.bootstrap_servers]

    def begin() -> None:
        kafka.reset()
        kafka.produce("plainer", "x")
        kafka.commit("g", "plainer", 0)

    begin()
    ours = [run(capsys, TOPICS, *server, *step)[:2] for step in STORY]
    begin()
    theirs = [java_tools.run(KAFKA_TOPICS, *server, *step) for step in STORY]
    for step, one, other in zip(STORY, ours, theirs, strict=True):
        assert one == (other.status, other.out), step


def test_api_versions_as_kafkas_tool(kafka, capsys, java_tools):
    server = ["--bootstrap-server", kafka.bootstrap_servers]
    status, out, _ = run(capsys, API_VERSIONS, *server)
    theirs = java_tools.run(KAFKA_API_VERSIONS, *server)
    assert status == theirs.status == 0
    served = [line.rstrip(",") for line in theirs.out.splitlines() if not line.rstrip(",").endswith("UNSUPPORTED")]
    assert [line.rstrip(",") for line in out.splitlines()] == served


@pytest.mark.parametrize("program", [TOPICS, API_VERSIONS])
def test_nobody_there(capsys, program):
    status, out, _ = run(
        capsys, program, "--bootstrap-server", "127.0.0.1:1,127.0.0.1:2", *["--list"][: program == TOPICS]
    )
    assert status == 1
    assert "refused" in out


@pytest.mark.parametrize(
    "arguments",
    [[], ["--describe"], ["--list", "--create"], ["--list", "--at-min-isr-partitions"], ["--alter", "--topic", "x"]],
)
def test_what_it_cannot_do(capsys, arguments):
    status, _, errors = run(capsys, TOPICS, "--bootstrap-server", "127.0.0.1:1", *arguments)
    assert status == 1
    assert errors.startswith("kafka-topics.sh of Ottla: ")
    assert len(errors.splitlines()) == 1


def test_a_topic_must_be_named(kafka, capsys):
    status, out, _ = run(capsys, TOPICS, "--bootstrap-server", kafka.bootstrap_servers, "--create")
    assert (status, out) == (1, 'Error while executing topic command : Missing required argument "[topic]"\n')
