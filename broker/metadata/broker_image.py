"""One registered broker, as its registration and the changes to it say."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from ...protocol.stored.metadata import BrokerEndpoint, BrokerFeature, RegisterBrokerRecord

if TYPE_CHECKING:
    from ...protocol.stored.metadata import BrokerRegistrationChangeRecord


class Endpoint(NamedTuple):
    """Where a broker can be reached through one of its listeners; `security_protocol` 0 is PLAINTEXT."""

    listener_name: str
    host: str
    port: int
    security_protocol: int = 0


class FeatureRange(NamedTuple):
    """The levels of a feature that somebody can work with."""

    lowest: int
    highest: int


@dataclass(frozen=True, slots=True)
class BrokerImage:
    """A broker: its present incarnation, and whether it may lead."""

    broker_id: int
    broker_epoch: int
    incarnation_id: bytes
    endpoints: tuple[Endpoint, ...]
    features: dict[str, FeatureRange]
    rack: str | None
    fenced: bool
    in_controlled_shutdown: bool = False
    log_dirs: tuple[bytes, ...] = ()
    cordoned_log_dirs: tuple[bytes, ...] | None = None

    @classmethod
    def from_record(cls, record: RegisterBrokerRecord) -> BrokerImage:
        """The broker that a REGISTER_BROKER record states in full."""
        cordoned = record.cordoned_log_dirs
        return cls(
            broker_id=record.broker_id,
            broker_epoch=record.broker_epoch,
            incarnation_id=record.incarnation_id,
            endpoints=tuple(Endpoint(e.name, e.host, e.port, e.security_protocol) for e in record.end_points),
            features={f.name: FeatureRange(f.min_supported_version, f.max_supported_version) for f in record.features},
            rack=record.rack,
            fenced=record.fenced,
            in_controlled_shutdown=record.in_controlled_shutdown,
            log_dirs=tuple(record.log_dirs),
            cordoned_log_dirs=None if cordoned is None else tuple(cordoned),
        )

    def to_record(self) -> RegisterBrokerRecord:
        """The REGISTER_BROKER record that states this broker in full, as a snapshot holds it."""
        cordoned = self.cordoned_log_dirs
        return RegisterBrokerRecord(
            broker_id=self.broker_id,
            incarnation_id=self.incarnation_id,
            broker_epoch=self.broker_epoch,
            end_points=[
                BrokerEndpoint(name=e.listener_name, host=e.host, port=e.port, security_protocol=e.security_protocol)
                for e in self.endpoints
            ],
            features=[
                BrokerFeature(name=name, min_supported_version=levels.lowest, max_supported_version=levels.highest)
                for name, levels in self.features.items()
            ],
            rack=self.rack,
            fenced=self.fenced,
            in_controlled_shutdown=self.in_controlled_shutdown,
            log_dirs=list(self.log_dirs),
            cordoned_log_dirs=None if cordoned is None else list(cordoned),
        )

    def merge(self, change: BrokerRegistrationChangeRecord) -> BrokerImage:
        """The broker after `change`: zero, empty and null keep what was there."""
        cordoned = change.cordoned_log_dirs
        return replace(
            self,
            fenced=self.fenced if change.fenced == 0 else change.fenced > 0,
            in_controlled_shutdown=self.in_controlled_shutdown or change.in_controlled_shutdown > 0,
            log_dirs=tuple(change.log_dirs) or self.log_dirs,
            cordoned_log_dirs=self.cordoned_log_dirs if cordoned is None else tuple(cordoned),
        )

    def with_fenced(self, fenced: bool) -> BrokerImage:
        """The broker fenced or unfenced, as the older records of Kafka 3.0 say it."""
        return replace(self, fenced=fenced)
