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


KAFKA_GO = features.CLASSIC - features.TRANSACTIONS - {"idempotent", "delete_records"}

PROGRAMS = [
    Program("go-franz-go", GoBuild("franz_go"), features.EVERY, {"offsets_for_times": {"at_first": 0, "later": 20}}),
    Program("go-sarama", GoBuild("sarama"), features.CLASSIC),
    # As the many programs that never set a version: it speaks what Kafka 2.1 spoke.
    Program("go-sarama-2.1", GoBuild("sarama", ("pinned",)), features.CLASSIC),
    Program("go-kafka-go", GoBuild("kafka_go"), KAFKA_GO, {"offsets_for_times": {"at_first": 0}}),
]
