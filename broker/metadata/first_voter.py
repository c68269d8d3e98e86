"""The quorum of a log that nobody has begun: of one voter, as the server.properties asks for it.

A Kafka that starts on the directory later looks for its voters in the log, unless it has `controller.quorum.voters`. So
they are put there, as `kafka-storage format --standalone` does (KIP-853); with voters in its server.properties Kafka
starts on such a log too. Only where the configuration has voters itself is the quorum a static one.
The endpoint only has to be one: Kafka replaces it by its own when it starts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...protocol.control_records import KRaftVersionFeature, VotersEndpoint, VotersRecordVoter
from .kraft_state import KRAFT_VERSION_HIGHEST

if TYPE_CHECKING:
    from ..config.broker_config import BrokerConfig

_NOWHERE_YET = "localhost:9093"


def first_voter(config: BrokerConfig, directory_id: bytes) -> VotersRecordVoter | None:
    """This node as the one voter of a dynamic quorum; None where the configuration wants a static one."""
    if config.controller_quorum_voters:
        return None
    bootstrap = config.controller_quorum_bootstrap_servers or (_NOWHERE_YET,)
    name = config.controller_listener_names[0]
    host, port = _address(config.controller_address(name) or bootstrap[0])
    return VotersRecordVoter(
        voter_id=config.node_id,
        voter_directory_id=directory_id,
        endpoints=[VotersEndpoint(name=name, host=host or _address(bootstrap[0])[0], port=port)],
        k_raft_version_feature=KRaftVersionFeature(max_supported_version=KRAFT_VERSION_HIGHEST),
    )


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)
