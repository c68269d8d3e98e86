"""What a person writes, and the one line that they get when it cannot be."""

from __future__ import annotations

import logging

import pytest
from ottla.broker.config import ConfigError, load_config
from ottla.broker.config.catalogue import BROKER_KEYS, TOPIC_SYNONYMS, broker_documentation, synonym_chain
from ottla.broker.config.listeners import PROTOCOLS, Listener
from ottla.broker.config.treatment import Treatment, treatment

# The lines of the server.properties that Apache Kafka 4 ships, without its comments.
KAFKAS_OWN = r"""
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=localhost:9093
listeners=PLAINTEXT://:9092,CONTROLLER://:9093
inter.broker.listener.name=PLAINTEXT
advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL
num.network.threads=3
num.io.threads=8
socket.send.buffer.bytes=102400
socket.receive.buffer.bytes=102400
socket.request.max.bytes=104857600
log.dirs=/tmp/kraft-combined-logs
num.partitions=1
num.recovery.threads.per.data.dir=1
offsets.topic.replication.factor=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
log.retention.hours=168
log.segment.bytes=1073741824
log.retention.check.interval.ms=300000
"""


@pytest.fixture
def properties(tmp_path):
    def write(text):
        path = tmp_path / "server.properties"
        path.write_text(text)
        return str(path)

    return write


def refusal(*overrides, **options):
    with pytest.raises(ConfigError) as refused:
        load_config(None, overrides, **options)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_nothing_written_is_a_broker_on_the_loopback():
    config = load_config()
    assert config.listeners == (Listener("PLAINTEXT", "127.0.0.1", 9092),)
    assert config.advertised_listeners is None
    assert config.advertised("PLAINTEXT") is None
    assert (config.node_id, config.log_dirs, config.metadata_log_dir) == (1, ("ottla-data",), "ottla-data")
    assert (config.group_initial_rebalance_delay_ms, config.offsets_topic_replication_factor) == (0, 1)


def test_kafkas_own_server_properties_starts_a_broker(properties):
    config = load_config(properties(KAFKAS_OWN))
    assert config.listeners == (Listener("PLAINTEXT", "", 9092),)
    assert config.controller_listener_names == ("CONTROLLER",)
    assert config.advertised("PLAINTEXT") == Listener("PLAINTEXT", "localhost", 9092)
    assert config.log_dirs == ("/tmp/kraft-combined-logs",)


def test_the_command_line_wins_over_the_file_and_the_last_override_over_the_first(properties):
    config = load_config(
        properties("num.partitions=2\nlog.dirs=/a\nlog.dir=/b\nlisteners=PLAINTEXT://0.0.0.0:1\n"),
        ["num.partitions=3", "num.partitions = 4"],
        port=0,
        data_dir="/c",
    )
    assert (config.num_partitions, config.log_dirs) == (4, ("/c",))
    assert config.listeners == (Listener("PLAINTEXT", "0.0.0.0", 0),)


def test_log_dirs_win_over_log_dir():
    assert load_config(overrides=["log.dir=/a"]).log_dirs == ("/a",)
    assert load_config(overrides=["log.dir=/a", "log.dirs=/b, /c"]).log_dirs == ("/b", "/c")


def test_a_path_beyond_ascii_is_read_as_it_was_written(properties, tmp_path):
    assert load_config(properties("log.dirs=/données")).log_dirs == ("/données",)
    latin = tmp_path / "latin.properties"
    latin.write_bytes("log.dirs=/données".encode("latin-1"))
    assert load_config(str(latin)).log_dirs == ("/données",)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("num.partition=3", "unknown key; did you mean num.partitions?"),
        ("zookeeper.connect=localhost:2181", "unknown key"),
        ("num.partitions=three", "Not a number of type INT"),
        ("num.partitions=0", "Value must be at least 1"),
        ("log.cleanup.policy=shrink", "String must be one of: compact, delete"),
        ("log.dirs=", "Configuration 'log.dirs' must not be empty. Valid values include: any non-empty value"),
        ("listeners=9092", "'9092' is not NAME://HOST:PORT"),
        ("listeners=PLAINTEXT://:99999", "'PLAINTEXT://:99999' is not NAME://HOST:PORT"),
        ("listeners=INTERNAL://:1", "listener.security.protocol.map names no protocol for INTERNAL"),
        ("listeners=CONTROLLER://:1", "there is no listener for clients"),
        ("advertised.listeners=PLAINTEXT://0.0.0.0:1", "PLAINTEXT://0.0.0.0:1 is no address that a client can go to"),
        ("advertised.listeners=OTHER://a:1", "OTHER://a:1 belongs to no listener; listeners has PLAINTEXT"),
        ("listener.security.protocol.map=A:B", f"'A:B' is not NAME:PROTOCOL with one of {', '.join(PROTOCOLS)}"),
        ("log.roll.ms=0", "log.roll.ms must be greater than or equal to 1"),
        ("log.cleaner.threads=0", "log.cleaner.threads must be greater than or equal to 1"),
        (
            "log.cleaner.dedupe.buffer.size=1048576",
            "log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.",
        ),
        ("log.retention.ms=0", "log.retention.ms must be unlimited (-1) or, greater than or equal to 1"),
        ("max.connections.per.ip.overrides=a", "'a' is not ADDRESS:LIMIT"),
        ("default.replication.factor=0", "default.replication.factor must be 1: there is one broker"),
        (
            "group.consumer.session.timeout.ms=1",
            "group.consumer.session.timeout.ms must be greater than or equal to group.consumer.min.session.timeout.ms",
        ),
    ],
)  # fmt: skip
def test_a_wrong_line_is_named_with_its_file_and_number(properties, text, line):
    with pytest.raises(ConfigError) as refused:
        load_config(properties(f"# mine\n{text}\n"))
    assert str(refused.value) == f"server.properties:2: {text}: {line}"


@pytest.mark.parametrize("kind", ["consumer", "share", "streams"])
def test_a_session_is_longer_than_the_time_between_heartbeats(kind):
    limits = [f"group.{kind}.max.heartbeat.interval.ms=60000", f"group.{kind}.heartbeat.interval.ms=45000"]
    with pytest.raises(ConfigError) as refused:
        load_config(None, limits)
    rule = f"group.{kind}.heartbeat.interval.ms must be less than group.{kind}.session.timeout.ms"
    assert rule in str(refused.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("authorizer.class.name=org.example.Authorizer", "an authorizer is not there yet"),
        ("super.users=User:a", "an authorizer is not there yet"),
        ("sasl.enabled.mechanisms=PLAIN", "SASL is not there yet"),
        ("ssl.keystore.location=/a", "TLS is not there yet"),
        ("listeners=SSL://:9093", "only PLAINTEXT is there yet"),
        ("security.inter.broker.protocol=SSL", "only PLAINTEXT is there yet"),
        ("default.replication.factor=3", "there is one broker"),
        ("offsets.topic.replication.factor=3", "there is one broker"),
        ("transaction.state.log.min.isr=2", "there is one broker"),
        ("process.roles=broker", "one node is both"),
        ("process.roles=controller", "one node is both"),
        ("controller.quorum.voters=1@a:1,2@b:1,3@c:1", "there is one node"),
        ("remote.log.storage.system.enable=true", "tiered storage is not there yet"),
        ("metric.reporters=com.example.Reporter", "Java classes cannot be loaded"),
        ("group.coordinator.rebalance.protocols=classic,share", "share and streams groups are not there yet"),
        ("group.consumer.assignors=com.example.Assignor", "Java classes cannot be loaded"),
        ("delegation.token.secret.key=secret", "delegation tokens are not there yet"),
        ("max.connection.creation.rate=10", "use max.connections"),
        ("listener.name.plaintext.max.connections=5", "use max.connections if all may have it"),
    ],
)  # fmt: skip
def test_what_is_not_there_yet_is_refused_by_name(text, reason):
    line = refusal(text)
    assert line.startswith(f"-o: {text.partition('=')[0]}=")
    assert reason in line


@pytest.mark.parametrize(
    "text",
    [
        "authorizer.class.name=",
        "sasl.enabled.mechanisms=GSSAPI",
        "ssl.endpoint.identification.algorithm=https",
        "default.replication.factor=1",
        "controller.quorum.voters=1@localhost:9093",
        "remote.log.storage.system.enable=false",
        "metric.reporters=org.apache.kafka.common.metrics.JmxReporter",
        "replica.selector.class=org.apache.kafka.common.replica.RackAwareReplicaSelector",
        "rsm.config.anything=1",
    ],
)
def test_a_key_that_asks_for_nothing_is_taken(text):
    load_config(overrides=[text])


def test_the_key_at_fault_is_blamed_where_several_are_written():
    line = refusal("listeners=PLAINTEXT://:1", "advertised.listeners=OTHER://a:1")
    assert line.startswith("-o: advertised.listeners=OTHER://a:1: OTHER://a:1 belongs to no listener")


def test_a_secret_is_not_repeated():
    assert "hush" not in refusal("ssl.keystore.password=hush")


def test_every_default_of_kafka_may_be_written_down_unless_it_needs_more_than_one_broker():
    too_much = {"offsets.topic.replication.factor", "transaction.state.log.replication.factor"}
    too_much |= {"transaction.state.log.min.isr", "group.coordinator.rebalance.protocols"}
    too_much |= {f"share.coordinator.state.topic.{name}" for name in ("replication.factor", "min.isr")}
    refused = set()
    for key in BROKER_KEYS.values():
        if key.default is not None and key.name not in ("broker.id", "log.dir"):
            try:
                load_config(overrides=[f"{key.name}={key.default}"])
            except ConfigError:
                refused.add(key.name)
    assert refused == too_much


def test_tuning_is_named_at_debug_level(caplog):
    with caplog.at_level(logging.DEBUG, logger="ottla.broker.config"):
        load_config(overrides=["num.io.threads=4", "num.partitions=2"])
    assert [record.getMessage() for record in caplog.records] == [
        "-o: num.io.threads tunes Kafka's insides; it has no effect here"
    ]


def test_every_key_has_one_treatment():
    assert {treatment(name) for name in BROKER_KEYS} == set(Treatment)
    assert treatment("num.partitions") is Treatment.READ
    assert treatment("num.io.threads") is Treatment.TUNING
    assert treatment("sasl.jaas.config") is Treatment.REFUSED


def test_the_older_name_of_the_node_id():
    assert load_config(overrides=["broker.id=7"]).node_id == 7
    assert load_config(overrides=["node.id=7"]).layers.static["broker.id"] == "7"
    assert refusal("node.id=1", "broker.id=2") == "-o: broker.id=2: node.id says 1; they are one thing, set one"
    assert refusal("broker.id=-1") == "-o: node.id=-1: Value must be at least 0"


def test_port_replaces_the_port_of_the_only_listener_for_clients():
    options = ["listeners=PLAINTEXT://:1,CONTROLLER://:2"]
    assert load_config(overrides=options, port=9).listeners == (Listener("PLAINTEXT", "", 9),)
    two = ["listeners=A://:1,B://:2", "listener.security.protocol.map=A:PLAINTEXT,B:PLAINTEXT"]
    assert refusal(*two, port=9) == "--port: 9: listeners has 2 listeners for clients; write the ports there"


def test_listeners_keep_apart():
    protocols = "listener.security.protocol.map=A:PLAINTEXT,B:PLAINTEXT"
    assert "needs its own port" in refusal("listeners=A://:1,B://:1", protocols)
    assert "needs its own name" in refusal("listeners=A://:1,A://:2", protocols)
    both = load_config(overrides=["listeners=A://127.0.0.1:1,B://[::1]:1", protocols]).listeners
    assert both == (Listener("A", "127.0.0.1", 1), Listener("B", "::1", 1))
    assert str(both[1]) == "B://[::1]:1"


def test_limits_of_single_addresses():
    overrides = load_config(overrides=["max.connections.per.ip.overrides=10.0.0.1:5, [::1]:6"])
    assert overrides.max_connections_per_ip_overrides == {"10.0.0.1": 5, "::1": 6}
    assert "can be set to zero only if" in refusal("max.connections.per.ip=0")


def test_a_file_that_is_not_there(tmp_path):
    path = str(tmp_path / "none.properties")
    with pytest.raises(ConfigError, match=r"none\.properties: No such file or directory$"):
        load_config(path)


@pytest.mark.parametrize("text", ["num.partitions", "=3"])
def test_an_override_is_key_equals_value(text):
    assert refusal(text) == f"-o: {text}: not KEY=VALUE"


def test_what_is_documented_is_read():
    """A documented key is an attribute, a part of LogConfig, or one of those that make another attribute."""
    config = load_config()
    derived = {"advertised.listeners", "listener.security.protocol.map", "inter.broker.listener.name", "broker.id"}
    derived |= {"process.roles", "controller.listener.names", "log.dir"}
    derived |= {synonym for name in TOPIC_SYNONYMS.values() for synonym, _ in synonym_chain(name)}
    for name in broker_documentation():
        if name not in derived:
            assert hasattr(config, name.replace(".", "_")), name
