from __future__ import annotations

from dataclasses import fields

import pytest
from ottla.broker.config import load_config
from ottla.broker.config.catalogue import TOPIC_KEYS, TOPIC_SYNONYMS
from ottla.broker.config.validators import ConfigValueError
from ottla.storage.log_config import LogConfig

HOUR_MS = 3_600_000


def log_config(*overrides, **topic):
    return load_config(overrides=overrides).log_config({key.replace("_", "."): text for key, text in topic.items()})


def test_kafkas_defaults_are_those_of_the_storage():
    assert load_config().log_config({}) == LogConfig()


def test_every_setting_of_the_storage_is_a_topic_key_with_a_broker_synonym():
    settings = {field.name.replace("_", ".") for field in fields(LogConfig) if field.init}
    assert settings <= set(TOPIC_KEYS) & set(TOPIC_SYNONYMS)


@pytest.mark.parametrize(
    ("overrides", "retention_ms"),
    [
        (["log.retention.hours=2"], 2 * HOUR_MS),
        (["log.retention.hours=2", "log.retention.minutes=3"], 180_000),
        (["log.retention.hours=2", "log.retention.minutes=3", "log.retention.ms=4"], 4),
        (["log.retention.hours=-1"], -1),
        (["log.retention.minutes=-5"], -1),
    ],
)
def test_the_finest_unit_of_retention_wins(overrides, retention_ms):
    assert log_config(*overrides).retention_ms == retention_ms


def test_rolling_and_flushing_have_their_units_too():
    assert log_config("log.roll.hours=2", "log.roll.jitter.hours=1").segment_ms == 2 * HOUR_MS
    assert log_config("log.roll.hours=2", "log.roll.jitter.hours=1").segment_jitter_ms == HOUR_MS
    assert log_config("log.roll.hours=2", "log.roll.ms=5").segment_ms == 5
    assert log_config("log.flush.scheduler.interval.ms=7").flush_ms == 7
    assert log_config("log.flush.scheduler.interval.ms=7", "log.flush.interval.ms=8").flush_ms == 8


def test_a_topic_wins_over_its_broker():
    config = log_config("log.retention.ms=5", retention_ms="6", cleanup_policy="compact,delete", preallocate="true")
    assert (config.retention_ms, config.cleanup_policy) == (6, frozenset({"compact", "delete"}))
    assert config.preallocate is True


def test_tests_may_have_segments_below_the_permitted_size():
    assert log_config(internal_segment_bytes="100").segment_bytes == 100


def test_keys_that_the_storage_does_not_read_are_passed_over():
    assert log_config(local_retention_ms="5") == LogConfig()


def test_a_value_that_is_none_is_refused():
    with pytest.raises(ConfigValueError):
        log_config(retention_ms="soon")


def test_dynamic_values_win_over_static_ones_and_those_of_this_broker_over_all():
    config = load_config(overrides=["log.retention.ms=1", "max.connections=1"])
    all_brokers = config.with_dynamic({"log.retention.ms": "2", "max.connections": "2"}, {})
    assert (all_brokers.log_config({}).retention_ms, all_brokers.max_connections) == (2, 2)
    this_broker = all_brokers.with_dynamic({"log.retention.ms": "2"}, {"log.retention.ms": "3"})
    assert (this_broker.log_config({}).retention_ms, this_broker.max_connections) == (3, 1)
    assert config.log_config({}).retention_ms == 1


def test_a_dynamic_millisecond_wins_over_a_static_hour():
    config = load_config(overrides=["log.retention.hours=9"]).with_dynamic({"log.retention.ms": "5"}, {})
    assert config.log_config({}).retention_ms == 5


def test_dynamic_values_that_do_not_hold_together_change_nothing():
    config = load_config()
    with pytest.raises(ConfigValueError):
        config.with_dynamic({"log.retention.ms": "0"}, {})


def test_minutes_of_offsets_in_milliseconds():
    assert load_config(overrides=["offsets.retention.minutes=2"]).offsets_retention_ms == 120_000
