"""What handlers may use, gathered by the composition root and handed to every handler."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..protocol.messages.api_versions import ApiVersion
    from .clock import Clock
    from .config import BrokerConfig
    from .coordinators.fetch_session import FetchSessionCache
    from .coordinators.producer_ids import ProducerIds
    from .metadata.cluster_metadata import ClusterMetadata
    from .runtime.commit_barrier import CommitBarrier
    from .runtime.group_coordinators import GroupCoordinators
    from .runtime.long_poll import FetchPurgatory
    from .runtime.partitions import Partitions
    from .runtime.timers import Timers
    from .runtime.transaction_coordinators import TransactionCoordinators
    from .runtime.transaction_markers import TransactionMarkers


@dataclass(slots=True)
class Services:
    """The broker's parts, as handlers see them."""

    config: BrokerConfig
    clock: Clock
    timers: Timers
    metadata: ClusterMetadata
    partitions: Partitions
    fetches: FetchPurgatory
    fetch_sessions: FetchSessionCache
    groups: GroupCoordinators
    producer_ids: ProducerIds
    markers: TransactionMarkers
    transactions: TransactionCoordinators
    commits: CommitBarrier
    """What the request that is handled now must wait for."""
    apis: list[ApiVersion]
    """What ApiVersions answers: the rows of the API table."""
