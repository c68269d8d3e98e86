from __future__ import annotations

import pytest
from ottla.broker.config.catalogue import BROKER_KEYS, GROUP_CONFIG_KEYS, TOPIC_KEYS
from ottla.broker.config.validators import ConfigValueError
from ottla.broker.config.values import canonical, parse


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("segment.bytes", " 2097152 ", 2097152),
        ("segment.bytes", "+2097152", 2097152),
        ("preallocate", "TRUE", True),
        ("cleanup.policy", "", ()),
        ("cleanup.policy", "compact, delete", ("compact", "delete")),
        ("cleanup.policy", "delete,delete", ("delete",)),
        ("min.cleanable.dirty.ratio", "0.5f", 0.5),
        ("min.cleanable.dirty.ratio", "1e-5", 1e-5),
        ("compression.gzip.level", "-1", -1),
        ("retention.bytes", "-5", -5),
        ("leader.replication.throttled.replicas", "*", ("*",)),
        ("leader.replication.throttled.replicas", "0:1,1:2", ("0:1", "1:2")),
    ],
)
def test_a_topic_value_is_read_as_kafka_reads_it(name, text, value):
    assert parse(TOPIC_KEYS[name], text) == value


# The sentences were read off LogConfig, KafkaConfig and GroupConfig of 4.3.1.
CODECS = "uncompressed, zstd, lz4, snappy, gzip, producer"
THROTTLED = (
    "leader.replication.throttled.replicas must be the literal '*' or a list of replicas in the following format: "
    "[partitionId]:[brokerId],[partitionId]:[brokerId],..."
)
RESET_FORMAT = "The value must be either 'earliest', 'latest' or of the format 'by_duration:<PnDTnHnMn.nS>'."
ALL_KEYS = BROKER_KEYS | TOPIC_KEYS


def refusal(name, text):
    with pytest.raises(ConfigValueError) as refused:
        parse(ALL_KEYS[name], text)
    return str(refused.value)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("segment.bytes", "abc", "Not a number of type INT"),
        ("segment.bytes", "", "Not a number of type INT"),
        ("segment.bytes", "2_097_152", "Not a number of type INT"),
        ("segment.bytes", "99999999999", "Not a number of type INT"),
        ("segment.bytes", "100", "Value must be at least 1048576"),
        ("min.cleanable.dirty.ratio", "2.0", "Value must be no more than 1"),
        ("min.cleanable.dirty.ratio", "x", "Not a number of type DOUBLE"),
        ("cleanup.policy", "foo", "String must be one of: compact, delete"),
        ("compression.type", "GZIP", f"String must be one of: {CODECS}"),
        ("compression.gzip.level", "0", "Value must be between 1 and 9 or equal to -1"),
        ("preallocate", "yes", "Expected value to be either true or false"),
        ("remote.log.storage.manager.impl.prefix", "", "String must be non-empty"),
        ("log.retention.ms", "9" * 20, "Not a number of type LONG"),
        ("offsets.topic.replication.factor", "99999", "Not a number of type SHORT"),
        (
            "group.consumer.migration.policy",
            "foo",
            "String must be one of (case insensitive): DISABLED, DOWNGRADE, UPGRADE, BIDIRECTIONAL",
        ),
    ],
)
def test_a_value_is_refused_in_kafkas_words(name, text, reason):
    assert refusal(name, text) == f"Invalid value {text} for configuration {name}: {reason}"


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("cleanup.policy", "delete,", "Configuration 'cleanup.policy' values must not be empty."),
        ("log.dirs", "", "Configuration 'log.dirs' must not be empty. Valid values include: any non-empty value"),
        (
            "process.roles",
            "",
            "Configuration 'process.roles' must not be empty. Valid values include: [broker, controller]",
        ),
        (
            "controller.quorum.voters",
            "x",
            "Invalid configuration value for controller.quorum.voters. "
            "Each entry should be in the form `{id}@{host}:{port}`.",
        ),
        (
            "controller.quorum.bootstrap.servers",
            "a",
            "Failed to parse host name from a for the configuration controller.quorum.bootstrap.servers. "
            'Each entry should be in the form "{host}:{port}"',
        ),
        (
            "leader.replication.throttled.replicas",
            "x",
            f"Invalid value [x] for configuration leader.replication.throttled.replicas: {THROTTLED}",
        ),
    ],
)
def test_a_list_is_refused_in_kafkas_words(name, text, sentence):
    assert refusal(name, text) == sentence


@pytest.mark.parametrize("text", ["earliest", "latest", "by_duration:PT1H", "by_duration:P1DT0.5S", "by_duration:P2D"])
def test_a_share_group_begins_where_kafka_lets_it(text):
    assert parse(GROUP_CONFIG_KEYS["share.auto.offset.reset"], text) == text


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "EARLIEST",
        "none",
        "by_duration:",
        "by_duration:P",
        "by_duration:PT",
        "by_duration:-PT1H",
        "by_duration:P1Y",
    ],
)
def test_a_share_group_begins_nowhere_else(text):
    with pytest.raises(ConfigValueError) as refused:
        parse(GROUP_CONFIG_KEYS["share.auto.offset.reset"], text)
    lead = f"Invalid value {text} for configuration share.auto.offset.reset: Invalid value `{text}` for configuration"
    assert str(refused.value) == f"{lead} share.auto.offset.reset. {RESET_FORMAT}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("1e10", "1.0E10"),
        ("0.0001", "1.0E-4"),
        ("12345678.5", "1.23456785E7"),
        ("1234567.5", "1234567.5"),
        ("100", "100.0"),
        ("1.7976931348623157E308", "1.7976931348623157E308"),
        ("-2.5e-7", "-2.5E-7"),
        ("0", "0.0"),
    ],
)
def test_a_double_comes_back_as_java_prints_it(text, shown):
    assert canonical(BROKER_KEYS["log.cleaner.io.max.bytes.per.second"], text) == shown


def test_a_megabyte_of_digits_is_no_number():
    with pytest.raises(ConfigValueError):
        parse(TOPIC_KEYS["segment.bytes"], "1" * 1_000_000)


def test_text_that_is_no_value_is_shown_as_it_is():
    assert canonical(TOPIC_KEYS["segment.bytes"], "abc") == "abc"
