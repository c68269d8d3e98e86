"""From the apache/kafka image's variables to settings."""

from __future__ import annotations

import pytest
from ottla.broker.config import ConfigError
from ottla.broker.config.loading import build_config
from ottla.broker.config.properties import parse_properties
from ottla.broker.container.variables import container_settings, property_name, to_properties, with_arguments

TESTCONTAINERS_JAVA = {
    "CLUSTER_ID": "4L6g3nShT-eMCtK--X86sw",
    "KAFKA_LISTENERS": "PLAINTEXT://:9092,BROKER://:9093,CONTROLLER://:9094",
    "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "BROKER:PLAINTEXT,PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "KAFKA_ADVERTISED_LISTENERS": "PLAINTEXT://localhost:32771,BROKER://0a1b2c3d4e5f:9093",
    "KAFKA_INTER_BROKER_LISTENER_NAME": "BROKER",
    "KAFKA_PROCESS_ROLES": "broker,controller",
    "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
    "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9094",
    "KAFKA_NODE_ID": "1",
    "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
    "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "1",
    "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
    "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
    "KAFKA_LOG_FLUSH_INTERVAL_MESSAGES": "9223372036854775807",
    "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
}
COMPOSE = {
    "KAFKA_NODE_ID": "1",
    "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,PLAINTEXT_HOST:PLAINTEXT",
    "KAFKA_ADVERTISED_LISTENERS": "PLAINTEXT_HOST://localhost:9092,PLAINTEXT://broker:19092",
    "KAFKA_PROCESS_ROLES": "broker,controller",
    "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@broker:29093",
    "KAFKA_LISTENERS": "CONTROLLER://:29093,PLAINTEXT_HOST://:9092,PLAINTEXT://:19092",
    "KAFKA_INTER_BROKER_LISTENER_NAME": "PLAINTEXT",
    "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
    "CLUSTER_ID": "4L6g3nShT-eMCtK--X86sw",
    "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
    "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
    "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
    "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
    "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR": "1",
    "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR": "1",
    "KAFKA_LOG_DIRS": "/tmp/kraft-combined-logs",
}


def settings_of(variables, mounted=None) -> dict[str, str]:
    return {setting.key: setting.value for setting in container_settings(variables, mounted).settings}


def config_of(variables, mounted=None):
    return build_config(container_settings(variables, mounted).settings)


@pytest.mark.parametrize(
    ("variable", "key"),
    [
        ("KAFKA_ABC_DEF", "abc.def"),
        ("KAFKA_ABC__DEF", "abc_def"),
        ("KAFKA_ABC___DEF", "abc-def"),
        ("KAFKA_ABC_DEF_GHI__JKL___MNO", "abc.def.ghi_jkl-mno"),
        ("KAFKA_KAFKA_METRICS_REPORTERS", "kafka.metrics.reporters"),
        ("KAFKA_ABC____DEF", "abc-.def"),
    ],
)
def test_names(variable, key):
    assert property_name(variable) == key


def test_a_container_of_testcontainers():
    asked = container_settings(TESTCONTAINERS_JAVA, None)
    config = build_config(asked.settings)
    assert asked.cluster_id == "4L6g3nShT-eMCtK--X86sw"
    assert asked.ignored == []
    assert [str(listener) for listener in config.listeners] == ["PLAINTEXT://:9092", "BROKER://:9093"]
    assert [str(listener) for listener in config.advertised_listeners] == [
        "PLAINTEXT://localhost:32771",
        "BROKER://0a1b2c3d4e5f:9093",
    ]
    assert config.offsets_topic_num_partitions == 1
    assert config.log_dirs == ("/tmp/kafka-logs",)


def test_a_service_of_compose():
    config = config_of(COMPOSE)
    assert [listener.port for listener in config.listeners] == [9092, 19092]
    assert config.log_dirs == ("/tmp/kraft-combined-logs",)


def test_nothing_given():
    config = config_of({"PATH": "/bin", "KAFKA_HEAP_OPTS": "-Xmx1g"})
    assert [str(listener) for listener in config.listeners] == ["PLAINTEXT://:9092"]
    assert not config.advertised_listeners
    assert config.log_dirs == ("/tmp/kraft-combined-logs",)


def test_listeners_follow_from_what_is_advertised():
    found = settings_of({"KAFKA_ADVERTISED_LISTENERS": "PLAINTEXT://me:9092,OTHER://[fe80]:19092"})
    assert found["listeners"] == "PLAINTEXT://0.0.0.0:9092,OTHER://0.0.0.0:19092"
    both = {"KAFKA_ADVERTISED_LISTENERS": "PLAINTEXT://me:9092", "KAFKA_LISTENERS": "PLAINTEXT://:1"}
    assert settings_of(both)["listeners"] == "PLAINTEXT://:1"


def test_variables_go_over_a_mounted_file():
    mounted = "num.partitions=3\nlog.retention.hours = 5\nlisteners=PLAINTEXT://:7000\n"
    found = settings_of({"KAFKA_NUM_PARTITIONS": "8"}, mounted)
    assert (found["num.partitions"], found["log.retention.hours"]) == ("8", "5")
    assert config_of({}, mounted).listeners[0].port == 7000
    assert config_of({}, mounted).log_dirs == ("/tmp/kafka-logs",)


def test_arguments_are_variables():
    found = with_arguments({"KAFKA_NUM_PARTITIONS": "8", "A": "1"}, ["KAFKA_NUM_PARTITIONS=9", "B=x=y"])
    assert found == {"KAFKA_NUM_PARTITIONS": "9", "A": "1", "B": "x=y"}


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        (
            {"KAFKA_NUM_PARTITION": "3"},
            "KAFKA_NUM_PARTITION: num.partition=3: unknown key; did you mean num",
        ),
        ({"KAFKA_NUM_PARTITIONS": "many"}, "KAFKA_NUM_PARTITIONS: num.partitions=many: Not a number of type INT"),
        (
            {"KAFKA_SSL_KEYSTORE_LOCATION": "/etc/kafka/secrets/k"},
            "KAFKA_SSL_KEYSTORE_LOCATION: ssl.keystore.location=/etc/kafka/secrets/k: TLS is not there yet",
        ),
        ({"KAFKA_PROCESS_ROLES": "controller"}, "KAFKA_PROCESS_ROLES: process.roles=controller: one node is both"),
        ({"KAFKA_DEFAULT_REPLICATION_FACTOR": "3"}, "there is one broker, and so one replica"),
        ({"KAFKA_": "x"}, "KAFKA_: "),
    ],
)
def test_what_ottla_serve_refuses(variables, line):
    with pytest.raises(ConfigError) as refused:
        config_of(variables)
    assert line in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_malformed_file_is_refused_where_it_is():
    with pytest.raises(ConfigError, match=r"server\.properties:2: malformed"):
        container_settings({}, "num.partitions=1\na=\\u12\n")


def test_what_is_for_zookeeper_and_others_is_named_and_left():
    asked = container_settings({"KAFKA_ZOOKEEPER_CONNECT": "localhost:2181", "KAFKA_REST_X": "1"}, None)
    assert asked.ignored == ["KAFKA_REST_X", "KAFKA_ZOOKEEPER_CONNECT"]
    assert build_config(asked.settings).log_dirs == ("/tmp/kraft-combined-logs",)


@pytest.mark.parametrize(
    ("level", "expected"), [("DEBUG", "DEBUG"), ("warn", "WARNING"), ("TRACE", "DEBUG"), ("", "INFO"), ("odd", "INFO")]
)
def test_log_level(level, expected):
    assert container_settings({"KAFKA_LOG4J_ROOT_LOGLEVEL": level}, None).log_level == expected


def test_the_written_file_says_the_same():
    mounted = "log.dirs=/a\\\\b\nmax.connections.per.ip.overrides=  h\\u00e9 : 1\\t\n! a comment\nnum.partitions=2\n"
    asked = container_settings({"KAFKA_NUM_PARTITIONS": "5", "KAFKA_BROKER_RACK": "\\ a=b#c"}, mounted)
    text = to_properties(asked.settings)
    found = {entry.key: entry.value for entry in parse_properties(text, "server.properties")}
    assert found == {setting.key: setting.value for setting in asked.settings}
    assert found["broker.rack"] == " a=b#c"
    assert found["num.partitions"] == "5"
