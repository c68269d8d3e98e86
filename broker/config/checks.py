"""What must hold between keys, as KafkaConfig.validateValues has it; each complaint names its keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .validators import ConfigValueError

if TYPE_CHECKING:
    from .layers import ConfigLayers

_RANGED_KINDS = ("group.consumer", "group.share", "group.streams")
_RANGED_TIMES = ("session.timeout.ms", "heartbeat.interval.ms", "assignment.interval.ms")
_CLEANER_THREAD_BYTES_MIN = 1 << 20
_SHARE_LIMITS = ("record.lock.duration.ms", "delivery.count.limit", "partition.max.record.locks")


def check_layers(layers: ConfigLayers) -> None:
    """ConfigValueError for the first rule that the values in force break."""
    _check_times(layers)
    _check_cleaner(layers)
    _check_limits(layers)
    for kind in _RANGED_KINDS:
        for time in _RANGED_TIMES:
            _check_range(layers, kind, time)
        _require_less(layers, f"{kind}.heartbeat.interval.ms", f"{kind}.session.timeout.ms")
    for limit in _SHARE_LIMITS:
        _check_range(layers, "group.share", limit)
    _require_order(layers, "group.min.session.timeout.ms", "group.max.session.timeout.ms")


def _check_times(layers: ConfigLayers) -> None:
    if layers.chain_ms("log.roll.ms") < 1:
        raise ConfigValueError("log.roll.ms must be greater than or equal to 1")
    if layers.chain_ms("log.roll.jitter.ms") < 0:
        raise ConfigValueError("log.roll.jitter.ms must be greater than or equal to 0")
    if layers.chain_ms("log.retention.ms") == 0:
        raise ConfigValueError("log.retention.ms must be unlimited (-1) or, greater than or equal to 1")
    _require_order(layers, "log.cleaner.min.compaction.lag.ms", "log.cleaner.max.compaction.lag.ms")


def _check_cleaner(layers: ConfigLayers) -> None:
    threads = int(_number(layers, "log.cleaner.threads"))
    if threads < 1:
        # Kafka divides by it and says no more than that.
        raise ConfigValueError("log.cleaner.threads must be greater than or equal to 1")
    if _number(layers, "log.cleaner.dedupe.buffer.size") // threads <= _CLEANER_THREAD_BYTES_MIN:
        raise ConfigValueError("log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.")


def _check_limits(layers: ConfigLayers) -> None:
    if layers.value("max.connections.per.ip") == 0 and not layers.value("max.connections.per.ip.overrides"):
        raise ConfigValueError(
            "max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides property is set."
        )
    if _number(layers, "default.replication.factor") < 1:
        raise ConfigValueError("default.replication.factor must be 1: there is one broker")


def _check_range(layers: ConfigLayers, kind: str, name: str) -> None:
    """KIP-848 and KIP-932: the broker's own value lies between the limits it sets for groups."""
    low, high, value = f"{kind}.min.{name}", f"{kind}.max.{name}", f"{kind}.{name}"
    _require_order(layers, low, high)
    _require_order(layers, low, value)
    _require_order(layers, value, high)


def _require_order(layers: ConfigLayers, low: str, high: str) -> None:
    if _number(layers, low) > _number(layers, high):
        raise ConfigValueError(f"{high} must be greater than or equal to {low}")


def _require_less(layers: ConfigLayers, low: str, high: str) -> None:
    if _number(layers, low) >= _number(layers, high):
        raise ConfigValueError(f"{low} must be less than {high}")


def _number(layers: ConfigLayers, name: str) -> float:
    value = layers.value(name)
    assert isinstance(value, int | float), name
    return value
