"""Changes of a running broker's configuration that Kafka takes in small steps only, or not beside other values.

Kafka: `DynamicThreadPool`, `LogCleaner.validateReconfiguration`, `DynamicRemoteLogConfig`; the sentences are theirs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .layers import ConfigLayers

_CLEANER_THREADS: Final = "log.cleaner.threads"
_CONNECTIONS: Final = "max.connections"
_THREADS: Final = (
    "background.threads",
    "num.io.threads",
    "num.network.threads",
    "num.recovery.threads.per.data.dir",
    "num.replica.fetchers",
    "remote.log.manager.copier.thread.pool.size",
    "remote.log.manager.follower.thread.pool.size",
    "remote.log.manager.expiration.thread.pool.size",
    "remote.log.reader.threads",
)
_RETENTION: Final = (
    ("log.local.retention.ms", "log.retention.ms"),
    ("log.local.retention.bytes", "log.retention.bytes"),
)
_UNLIMITED: Final = -1
_AS_THE_WHOLE: Final = -2


def problem_with_step(before: ConfigLayers, after: ConfigLayers) -> str | None:
    """Why a broker that runs with `before` does not take `after`, or None."""
    for name in _THREADS:
        step = _step(before, after, name)
        if step is not None:
            return f"Dynamic thread count update validation failed for {name}={after.value(name)}, value should {step}"
    if _number(after, _CONNECTIONS) <= 0:
        return f"Invalid {_CONNECTIONS} {_number(after, _CONNECTIONS)}"
    cleaner = _cleaner_step(before, after)
    return cleaner or next(filter(None, (_problem_with_local(after, *names) for names in _RETENTION)), None)


def _step(before: ConfigLayers, after: ConfigLayers, name: str) -> str | None:
    current, wanted = _number(before, name), _number(after, name)
    if wanted < current // 2:
        return f"be at least half the current value {current}"
    return f"not be greater than double the current value {current}" if wanted > current * 2 else None


def _cleaner_step(before: ConfigLayers, after: ConfigLayers) -> str | None:
    current, wanted = _number(before, _CLEANER_THREADS), _number(after, _CLEANER_THREADS)
    if wanted < current // 2:
        return f"Log cleaner threads cannot be reduced to less than half the current value {current}"
    if wanted > current * 2:
        return f"Log cleaner threads cannot be increased to more than double the current value {current}"
    return None


def _problem_with_local(after: ConfigLayers, local_name: str, whole_name: str) -> str | None:
    """Tiered segments stay on the local disk no longer than at all."""
    local = _number(after, local_name)
    whole = after.chain_ms(whole_name) if whole_name.endswith(".ms") else _number(after, whole_name)
    if whole == _UNLIMITED or local == _AS_THE_WHOLE:
        return None
    if local == _UNLIMITED:
        reason = f"Value must not be -1 as {whole_name} value is set as {whole}."
    elif local > whole:
        reason = f"Value must not be more than {whole_name} property value: {whole}"
    else:
        return None
    return f"Invalid value {local} for configuration {local_name}: {reason}"


def _number(layers: ConfigLayers, name: str) -> int:
    value = layers.value(name)
    assert isinstance(value, int), name
    return value
