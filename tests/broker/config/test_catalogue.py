"""The key tables against Apache Kafka's own ConfigDefs, and against each other."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ottla.broker.config import validators
from ottla.broker.config.catalogue import (
    BROKER_KEYS,
    CLIENT_METRICS_CONFIG_KEYS,
    GROUP_CONFIG_KEYS,
    TOPIC_KEYS,
    TOPIC_SYNONYMS,
    broker_documentation,
    group_synonym,
    synonym_chain,
)
from ottla.broker.config.documentation import CLIENT_METRICS_DOCUMENTATION, GROUP_DOCUMENTATION, TOPIC_DOCUMENTATION
from ottla.broker.config.ottla_defaults import OTTLA_DEFAULTS
from ottla.broker.config.treatment import REFUSALS
from ottla.broker.config.values import canonical, parse

from ...harness.broker_process import REAL_KAFKA
from ...harness.java_tools import java_environment, why_no_java

TABLES = {
    "broker": BROKER_KEYS,
    "topic": TOPIC_KEYS,
    "group": GROUP_CONFIG_KEYS,
    "client-metrics": CLIENT_METRICS_CONFIG_KEYS,
}


@pytest.fixture(scope="module")
def kafka_rows():
    reason = why_no_java()
    if reason:
        pytest.skip(reason)
    command = [str(REAL_KAFKA), "tool", str(Path(__file__).with_name("KeyDump.java"))]
    done = subprocess.run(command, env=java_environment(), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return [line.split("\t") for line in done.stdout.splitlines()]


PRINTED = {
    type(None): lambda _: "",
    validators.Range: lambda range_: (
        f"[{range_.low},...]" if range_.high is None else f"[{range_.low},...,{range_.high}]"
    ),
    validators.OneOf: lambda one: f"[{', '.join(one.words)}]",
    validators.OneOfAnyCase: lambda one: f"(case insensitive) [{', '.join(one.words)}]",
    validators.ListOf: lambda words: f"[{', '.join(words.words)}]" if words.words else "",
    validators.NonEmpty: lambda _: "non-empty string",
    validators.GzipLevel: lambda _: "[1,...,9] or -1",
    validators.ThrottledReplicas: lambda _: "[partitionId]:[brokerId],[partitionId]:[brokerId],...",
    validators.OffsetReset: lambda _: "[latest, earliest, by_duration:PnDTnHnMn.nS]",
    validators.QuorumVoters: lambda _: "non-empty list",
    validators.BootstrapServers: lambda _: "non-empty list",
}
"""How Kafka's counterpart of each validator prints itself."""


def permitted(key):
    return PRINTED[type(key.validator)](key.validator)


@pytest.mark.parametrize("kind", TABLES)
def test_every_key_is_kafkas(kind, kafka_rows):
    expected = {
        name: (name, type_name, None if default == "\0" else default, range_text, internal == "true", mode)
        for row_kind, name, type_name, default, range_text, internal, mode in (r for r in kafka_rows if len(r) == 7)
        if row_kind == kind
    }
    ours = {
        key.name: (key.name, key.type.name, key.default, permitted(key), key.internal, key.mode.value)
        for key in TABLES[kind].values()
    }
    # Kafka only says there that null is not allowed; the default is the empty string.
    if kind == "broker":
        assert expected["authorizer.class.name"][3] == "non-null string"
        expected["authorizer.class.name"] = ours["authorizer.class.name"]
    assert ours == expected


def test_synonyms_are_kafkas(kafka_rows):
    assert {row[1]: row[2] for row in kafka_rows if row[0] == "synonym"} == TOPIC_SYNONYMS
    for row in kafka_rows:
        if row[0] == "group-synonym":
            assert group_synonym(row[1]) == (None if row[2] == "\0" else row[2])


def test_every_default_is_a_value_of_its_key_in_kafkas_own_form():
    for table in TABLES.values():
        for key in table.values():
            if key.default is not None:
                parse(key, key.default)
                assert canonical(key, key.default) == key.default, key.name


def test_every_ottla_default_is_a_value_that_differs_from_kafkas():
    for name, text in OTTLA_DEFAULTS.items():
        parse(BROKER_KEYS[name], text)
        assert text != BROKER_KEYS[name].default, name


def test_every_documented_or_refused_key_exists_and_all_small_tables_are_documented():
    assert set(broker_documentation()) <= set(BROKER_KEYS)
    assert set(REFUSALS) <= set(BROKER_KEYS)
    assert set(TOPIC_DOCUMENTATION) == set(TOPIC_KEYS)
    assert set(GROUP_DOCUMENTATION) == set(GROUP_CONFIG_KEYS)
    assert set(CLIENT_METRICS_DOCUMENTATION) == set(CLIENT_METRICS_CONFIG_KEYS)


def test_a_chain_names_the_strongest_unit_first():
    assert synonym_chain("log.retention.hours") == (
        ("log.retention.ms", 1),
        ("log.retention.minutes", 60_000),
        ("log.retention.hours", 3_600_000),
    )
    assert synonym_chain("log.flush.scheduler.interval.ms") == (("log.flush.scheduler.interval.ms", 1),)
    assert synonym_chain("num.partitions") == (("num.partitions", 1),)
