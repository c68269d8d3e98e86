"""Every client program: its name, how it is built, and which features it shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from . import features
from .builds import GoBuild

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from .builds import Build
    from .features import Facts


@dataclass(frozen=True)
class Program:
    """`otherwise` are facts that this client sees otherwise, from Apache Kafka too, by its own design."""

    name: str
    build: Build
    features: AbstractSet[str]
    otherwise: dict[str, Facts] = field(default_factory=dict)
    timeout_s: int = 180

    def expected(self) -> dict[str, Facts]:
        return {name: self.otherwise.get(name, features.KAFKA_SAYS.get(name, {})) for name in self.features}


PROGRAMS = [
    Program("go-franz-go", GoBuild("franz_go"), features.EVERY),
]
