"""Where groups and transactional ids are kept, beside Apache Kafka 4.3.1."""

from __future__ import annotations

import pytest
from ottla.broker.coordinators.group_records import CACHED_CHARS_MAX
from ottla.broker.runtime.coordinator_partitions import cached_partition, partition_for


@pytest.mark.parametrize(
    ("group_id", "partition"),
    [("g", 3), ("b", 48), ("v10", 15), ("simple", 26), ("nullc", 42), ("a", 47), ("", 0), ("ret", 1), ("np2", 32)],
)
def test_groups_are_kept_where_kafka_keeps_them(group_id, partition):
    assert partition_for(group_id, 50) == partition


def test_java_hashes_utf16_and_takes_its_smallest_number_for_zero():
    assert partition_for("polygenelubricants", 50) == 0  # hashes to -2**31
    assert partition_for("\u00e9", 50) == 233 % 50
    assert partition_for("\U0001f600", 50) == abs(31 * 0xD83D + 0xDE00) % 50


def test_names_that_clients_made_long_are_not_kept():
    kept_before = cached_partition.cache_info().currsize
    for number in range(50):
        name = f"{number:0300}"
        assert partition_for(name, 50) == cached_partition.__wrapped__(name, 50)
    assert cached_partition.cache_info().currsize == kept_before
    partition_for("g" * CACHED_CHARS_MAX, 50)
    assert cached_partition.cache_info().currsize == kept_before + 1
