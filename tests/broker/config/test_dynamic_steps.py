"""What a running broker takes in small steps; the sentences are those of Kafka 4.3.1 to the same changes."""

from __future__ import annotations

import pytest
from ottla.broker.config.dynamic_steps import problem_with_step
from ottla.broker.config.layers import ConfigLayers


def problem(before=(), **after):
    asked = {name.replace("_", "."): str(value) for name, value in after.items()}
    return problem_with_step(ConfigLayers(static=dict(before)), ConfigLayers(static={**dict(before), **asked}))


@pytest.mark.parametrize("wanted", [5, 10, 20])
def test_threads_from_half_to_double(wanted):
    assert problem(background_threads=wanted) is None


def test_threads_beyond():
    said = "Dynamic thread count update validation failed for num.io.threads={}, value should {}"
    assert problem(num_io_threads=3) == said.format(3, "be at least half the current value 8")
    assert problem(num_io_threads=17) == said.format(17, "not be greater than double the current value 8")


def test_connections():
    assert problem(max_connections=0) == "Invalid max.connections 0"


def test_threads_of_the_cleaner():
    before = {"log.cleaner.threads": "4"}
    assert problem(before, log_cleaner_threads=2) is problem(before, log_cleaner_threads=8) is None
    said = "Log cleaner threads cannot be {} the current value 4"
    assert problem(before, log_cleaner_threads=1) == said.format("reduced to less than half")
    assert problem(before, log_cleaner_threads=9) == said.format("increased to more than double")


def test_the_local_part_is_kept_no_longer_than_the_whole():
    said = "Invalid value {} for configuration log.local.retention.bytes: {}"
    before = {"log.retention.bytes": "100"}
    assert problem(log_local_retention_bytes=5) is None
    assert problem(before, log_local_retention_bytes=100) is problem(before, log_local_retention_bytes=-2) is None
    assert problem(before, log_local_retention_bytes=-1) == said.format(
        -1, "Value must not be -1 as log.retention.bytes value is set as 100."
    )
    assert problem(before, log_local_retention_bytes=101) == said.format(
        101, "Value must not be more than log.retention.bytes property value: 100"
    )
    assert "log.retention.ms value is set as 3600000." in problem(
        {"log.retention.hours": "1"}, log_local_retention_ms=-1
    )
