"""Whether a directory is this broker's alone, so that it may be written.

A cluster of several keeps its truth elsewhere: other voters decide on its metadata, other brokers hold replicas and
lead. Such a directory, or a copy of one, can be read for what it holds; a change to it would be one that nobody else
knows of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .image import MetadataImage
    from .kraft_state import KRaftState
    from .quorum_state import QuorumState


def why_foreign(image: MetadataImage, kraft: KRaftState, quorum: QuorumState | None, directory_id: bytes) -> str | None:
    """What says that the directory belongs to more than this node, as half a sentence; None when it is ours.

    `directory_id` is that of the directory with the metadata log, whose id a voter has in its key (KIP-853).
    """
    return _other_voters(image.node_id, kraft, quorum, directory_id) or _other_brokers(image) or _other_replicas(image)


def _other_voters(node_id: int, kraft: KRaftState, quorum: QuorumState | None, directory_id: bytes) -> str | None:
    keys = kraft.voter_keys()
    if keys is not None:
        if keys == [(node_id, directory_id)]:
            return None
        return f"the voters of its metadata are {_list(voter for voter, _ in keys)}, elsewhere"
    if quorum is None:
        return None
    voters = quorum.voter_ids or ((quorum.leader_id,) if quorum.leader_id >= 0 else ())
    if voters in ((), (node_id,)):
        return None
    return f"the voters of its metadata are {_list(voters)}"


def _other_brokers(image: MetadataImage) -> str | None:
    others = sorted(image.brokers.keys() - {image.node_id})
    return f"its cluster has brokers beside {image.node_id}: {_list(others)}" if others else None


def _other_replicas(image: MetadataImage) -> str | None:
    for topic in image.topics_by_name.values():
        for partition in topic.partitions:
            others = sorted(set(partition.replicas) - {image.node_id})
            if others:
                return f"{topic.name}-{partition.index} has replicas on {_list(others)}"
    return None


def _list(ids: Iterable[int]) -> str:
    return ", ".join(map(str, ids))
