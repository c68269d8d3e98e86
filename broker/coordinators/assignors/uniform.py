"""`uniform`: everybody gets as many partitions as everybody else, and keeps as many as balance allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .uniform_heterogeneous import HeterogeneousAssignment
from .uniform_homogeneous import assign_homogeneous

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .group_spec import Assignment, GroupSpec


class UniformAssignor:
    """Kafka's `UniformAssignor`, which does less work where all members read the same topics."""

    name = "uniform"

    def assign(self, group: GroupSpec) -> Mapping[str, Assignment]:
        """Distribute the partitions evenly."""
        if not group.members:
            return {}
        if group.is_homogeneous:
            return assign_homogeneous(group)
        return HeterogeneousAssignment(group).build()
