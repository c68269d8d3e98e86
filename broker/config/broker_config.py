"""What the broker reads of its configuration, typed.

A BrokerConfig never changes: a dynamic change gives a new one (`with_dynamic`). The attribute of a key is its name with
underscores for dots. Times are in milliseconds, sizes in bytes, unless the name says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cache
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from ...storage.log_config import LogConfig
from .catalogue import BROKER_KEYS, TOPIC_KEYS, TOPIC_SYNONYMS, synonym_chain
from .checks import check_layers
from .layers import ConfigLayers
from .listeners import Listener, parse_advertised, parse_listeners, parse_protocol_map
from .ottla_keys import CLUSTER_ID, READ_ONLY
from .validators import ConfigValueError
from .values import parse, parse_default

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .validators import Value


_MINUTE_MS = 60_000
# Kafka looks when a record comes, and at least each 500 ms one does (metadata.max.idle.interval.ms).
_IDLE_MS = 500

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, eq=False)
class BrokerConfig:
    """The values in force, and the layers they come from (for DescribeConfigs)."""

    layers: ConfigLayers
    default_log_config: LogConfig
    """The settings of a topic without overrides."""
    own: Mapping[str, Value]
    """Ottla's own keys and their values."""

    # The node and where it listens
    node_id: int
    broker_rack: str | None
    listeners: tuple[Listener, ...]
    """Without the controller's; a host may be empty (every interface) and a port 0 (a free one)."""
    advertised_listeners: tuple[Listener, ...] | None
    """None: each client is told the address it came in on."""
    socket_request_max_bytes: int
    socket_listen_backlog_size: int
    socket_receive_buffer_bytes: int
    socket_send_buffer_bytes: int
    max_connections: int
    max_connections_per_ip: int
    max_connections_per_ip_overrides: Mapping[str, int]
    connections_max_idle_ms: int

    # The quorum of a metadata log that is begun here
    controller_quorum_bootstrap_servers: tuple[str, ...]
    controller_quorum_voters: tuple[str, ...]

    # Topics
    auto_create_topics_enable: bool
    delete_topic_enable: bool
    num_partitions: int
    default_replication_factor: int
    min_insync_replicas: int
    max_request_partition_size_limit: int

    # Fetch
    fetch_max_bytes: int
    max_incremental_fetch_session_cache_slots: int

    # Logs
    background_threads: int
    log_dirs: tuple[str, ...]
    metadata_log_dir: str
    log_retention_check_interval_ms: int
    log_flush_scheduler_interval_ms: int
    log_flush_offset_checkpoint_interval_ms: int
    log_initial_task_delay_ms: int
    log_cleaner_enable: bool
    log_cleaner_threads: int
    log_cleaner_backoff_ms: int
    log_cleaner_dedupe_buffer_size: int
    log_cleaner_io_buffer_load_factor: float
    log_cleaner_io_buffer_size: int
    log_cleaner_io_max_bytes_per_second: float
    metadata_log_segment_bytes: int
    metadata_log_segment_ms: int
    internal_metadata_log_segment_bytes: int | None
    metadata_log_max_record_bytes_between_snapshots: int
    metadata_log_max_snapshot_interval_ms: int
    metadata_max_retention_bytes: int
    metadata_max_retention_ms: int

    # Groups
    group_min_session_timeout_ms: int
    group_max_session_timeout_ms: int
    group_initial_rebalance_delay_ms: int
    group_max_size: int
    group_consumer_assignment_interval_ms: int
    group_consumer_assignors: tuple[str, ...]
    group_consumer_heartbeat_interval_ms: int
    group_consumer_max_assignment_interval_ms: int
    group_consumer_max_heartbeat_interval_ms: int
    group_consumer_max_session_timeout_ms: int
    group_consumer_max_size: int
    group_consumer_migration_policy: str
    group_consumer_min_assignment_interval_ms: int
    group_consumer_min_heartbeat_interval_ms: int
    group_consumer_min_session_timeout_ms: int
    group_consumer_regex_refresh_interval_ms: int
    group_consumer_session_timeout_ms: int
    group_coordinator_rebalance_protocols: tuple[str, ...]
    offset_metadata_max_bytes: int
    offsets_retention_minutes: int
    offsets_retention_check_interval_ms: int
    offsets_topic_num_partitions: int
    offsets_topic_replication_factor: int
    offsets_topic_segment_bytes: int

    # Producers and transactions
    producer_id_expiration_ms: int
    producer_id_expiration_check_interval_ms: int
    transaction_state_log_num_partitions: int
    transaction_state_log_replication_factor: int
    transaction_state_log_min_isr: int
    transaction_state_log_segment_bytes: int
    transaction_max_timeout_ms: int
    add_partitions_to_txn_retry_backoff_ms: int
    add_partitions_to_txn_retry_backoff_max_ms: int
    transaction_partition_verification_enable: bool
    transaction_abort_timed_out_transaction_cleanup_interval_ms: int
    transaction_remove_expired_transaction_cleanup_interval_ms: int
    transactional_id_expiration_ms: int

    @property
    def offsets_retention_ms(self) -> int:
        """`offsets.retention.minutes` in milliseconds."""
        return self.offsets_retention_minutes * _MINUTE_MS

    @property
    def metadata_look_interval_ms(self) -> int:
        """How often the metadata log is looked after: each minute, as Kafka cleans it, or when snapshots are due."""
        interval_ms = self.metadata_log_max_snapshot_interval_ms or _MINUTE_MS
        return max(min(interval_ms, _MINUTE_MS), _IDLE_MS)

    @property
    def controller_listener_names(self) -> tuple[str, ...]:
        """Listeners that belong to the controller; Ottla opens no port for them."""
        return _names(self.layers, "controller.listener.names")

    def controller_address(self, listener_name: str) -> str | None:
        """HOST:PORT of a controller's listener, which is not opened; None where `listeners` does not have it."""
        entries = (entry.partition("://") for entry in _list(self.layers, "listeners"))
        return next((address for name, _, address in entries if name.upper() == listener_name), None)

    def advertised(self, listener_name: str) -> Listener | None:
        """The address to tell clients of a listener; None: the one they came in on."""
        return next((a for a in self.advertised_listeners or () if a.name == listener_name), None)

    def log_config(self, topic_overrides: Mapping[str, str]) -> LogConfig:
        """A topic's settings: its overrides over the broker's dynamic, static and default values.

        ConfigValueError when an override is not a value of its key; keys that storage does not read are passed over.
        """
        if not topic_overrides:
            return self.default_log_config
        changes = {
            _FIELD_OF[name]: _log_value(name, parse(TOPIC_KEYS[name], text))
            for name, text in topic_overrides.items()
            if name in _FIELD_OF
        }
        return replace(self.default_log_config, **changes)

    @property
    def read_only(self) -> bool:
        """Serve the data directories and change nothing in them (`ottla.read.only`)."""
        return self.own[READ_ONLY] is True

    @property
    def cluster_id(self) -> str | None:
        """The cluster that the data directories must belong to, where one is asked for (`ottla.cluster.id`)."""
        wanted = self.own[CLUSTER_ID]
        return None if wanted is None else str(wanted)

    def with_dynamic(self, default: Mapping[str, str], broker: Mapping[str, str]) -> BrokerConfig:
        """This configuration under dynamic values: of the whole cluster (`default`) and of this broker.

        ConfigValueError when the result does not hold together; nothing is changed then.
        """
        if default == self.layers.dynamic_default and broker == self.layers.dynamic_broker:
            return self
        layers = ConfigLayers(self.layers.static, dict(default), dict(broker))
        check_layers(layers)
        return broker_config(layers, self.own)


def broker_config(layers: ConfigLayers, own: Mapping[str, Value]) -> BrokerConfig:
    """Read the layers; ConfigValueError when values do not hold together. Each alone was checked when it was set."""
    log_dirs = _list(layers, "log.dirs") or _list(layers, "log.dir")
    ip_overrides = str(layers.value("max.connections.per.ip.overrides"))
    attributes: dict[str, Any] = {field: layers.value(name) for field, name in _direct_fields().items()}
    attributes |= _listeners(layers) | {
        "layers": layers,
        "own": own,
        "default_log_config": default_log_config(layers),
        "log_dirs": log_dirs,
        "metadata_log_dir": layers.value("metadata.log.dir") or log_dirs[0],
        "max_connections_per_ip_overrides": _blaming("max.connections.per.ip.overrides", _ip_overrides, ip_overrides),
    }
    return BrokerConfig(**attributes)


def _listeners(layers: ConfigLayers) -> dict[str, Any]:
    protocol_map = str(layers.value("listener.security.protocol.map"))
    protocols = _blaming("listener.security.protocol.map", parse_protocol_map, protocol_map)
    not_opened = _names(layers, "controller.listener.names")
    listeners = _blaming("listeners", parse_listeners, _list(layers, "listeners"), protocols, not_opened)
    advertised: tuple[Listener, ...] | None = None
    if layers.value("advertised.listeners") is not None:
        entries = _list(layers, "advertised.listeners")
        advertised = _blaming("advertised.listeners", parse_advertised, entries, listeners, not_opened)
    return {"listeners": listeners, "advertised_listeners": advertised}


def _blaming(key: str, read: Callable[P, R], *arguments: P.args, **options: P.kwargs) -> R:
    """Read, and say which key a complaint is about."""
    try:
        return read(*arguments, **options)
    except ConfigValueError as error:
        error.key = key
        raise


def default_log_config(layers: ConfigLayers) -> LogConfig:
    """The settings of a topic without overrides (Kafka: KafkaConfig.extractLogConfigMap)."""
    settings = {field: _topic_default(layers, name) for name, field in _FIELD_OF.items() if name in TOPIC_SYNONYMS}
    return LogConfig(**settings)


def topic_default(layers: ConfigLayers, name: str) -> Any:
    """The typed value of a topic key that the topic does not override."""
    broker_name = TOPIC_SYNONYMS.get(name)
    if broker_name is None:
        key = TOPIC_KEYS[name]
        return parse_default(key, key.default)
    if len(synonym_chain(broker_name)) == 1:
        return layers.value(broker_name)
    value = layers.chain_ms(broker_name)
    # Any negative retention is "for ever" (KafkaConfig.logRetentionTimeMillis).
    return -1 if name == "retention.ms" and value < 0 else value


def _topic_default(layers: ConfigLayers, name: str) -> Any:
    return _log_value(name, topic_default(layers, name))


def _log_value(name: str, value: Any) -> Any:
    return frozenset(value) if name == "cleanup.policy" else value


# Storage reads a subset of the topic keys; the attribute is the key's name with underscores for dots.
_FIELD_OF = {field.name.replace("_", "."): field.name for field in fields(LogConfig)}
_FIELD_OF["internal.segment.bytes"] = "segment_bytes"
_COMPUTED = {"listeners", "advertised_listeners", "log_dirs", "metadata_log_dir", "max_connections_per_ip_overrides"}


@cache
def _direct_fields() -> dict[str, str]:
    names = {field.name: field.name.replace("_", ".") for field in fields(BrokerConfig)}
    return {field: name for field, name in names.items() if name in BROKER_KEYS and field not in _COMPUTED}


def _list(layers: ConfigLayers, name: str) -> tuple[str, ...]:
    value = layers.value(name)
    return value if isinstance(value, tuple) else ()


def _names(layers: ConfigLayers, name: str) -> tuple[str, ...]:
    return tuple(entry.upper() for entry in _list(layers, name))


def _ip_overrides(text: str) -> dict[str, int]:
    overrides: dict[str, int] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        address, _, limit = entry.rpartition(":")
        if not address or not limit.isdecimal():
            raise ConfigValueError(f"{entry!r} is not ADDRESS:LIMIT")
        overrides[address.strip("[]")] = int(limit)
    return overrides
