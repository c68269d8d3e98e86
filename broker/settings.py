"""What the broker's parts get of its configuration: each only the keys that it reads, under names of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .coordinators.group_settings import GroupSettings
from .coordinators.transaction_settings import TransactionSettings
from .listening_sockets import SocketSettings
from .server import Limits

if TYPE_CHECKING:
    from .config import BrokerConfig


def limits(config: BrokerConfig) -> Limits:
    """What a connection may ask for, and how many there may be."""
    return Limits(
        frame_bytes_max=config.socket_request_max_bytes,
        connections_max=config.max_connections,
        connections_per_ip_max=config.max_connections_per_ip,
        connections_per_ip_overrides=config.max_connections_per_ip_overrides,
        idle_ms_max=config.connections_max_idle_ms,
    )


def sockets(config: BrokerConfig) -> SocketSettings:
    """How listening sockets are made."""
    return SocketSettings(
        pending_connections_max=config.socket_listen_backlog_size,
        send_buffer_bytes=config.socket_send_buffer_bytes,
        receive_buffer_bytes=config.socket_receive_buffer_bytes,
    )


def group_settings(config: BrokerConfig) -> GroupSettings:
    """What groups of the classic protocol and committed offsets are held to."""
    return GroupSettings(
        session_timeout_min_ms=config.group_min_session_timeout_ms,
        session_timeout_max_ms=config.group_max_session_timeout_ms,
        initial_rebalance_delay_ms=config.group_initial_rebalance_delay_ms,
        group_size_max=config.group_max_size,
        offset_metadata_bytes_max=config.offset_metadata_max_bytes,
        offsets_retention_ms=config.offsets_retention_ms,
        offsets_check_interval_ms=config.offsets_retention_check_interval_ms,
    )


def transaction_settings(config: BrokerConfig) -> TransactionSettings:
    """How long transactions and their ids may live."""
    return TransactionSettings(
        timeout_max_ms=config.transaction_max_timeout_ms,
        expiration_ms=config.transactional_id_expiration_ms,
        expiration_check_interval_ms=config.transaction_remove_expired_transaction_cleanup_interval_ms,
        timeout_check_interval_ms=config.transaction_abort_timed_out_transaction_cleanup_interval_ms,
    )
