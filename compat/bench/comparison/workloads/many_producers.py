"""Many producers, each of which writes a small batch every second."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from .. import topics, wire
from ..workload import OFF_BEAT, Limit, NotDone, Sample, Stopwatch, Target, Workload

_PARTITIONS = 6
_LATE_MAX_S = 1.0


@dataclass(frozen=True)
class ManyProducers(Workload):
    """A connection for each; their requests are spread evenly over the second."""

    subject: ClassVar[str] = "producers"
    sized_by: ClassVar[str] = "seconds"
    producers: int = 2000
    seconds: float = 6
    batch_records: int = 10

    def to_be_sampled(self) -> ManyProducers:
        return replace(self, producers=int(self.producers * OFF_BEAT))

    def prepare(self, target: Target) -> None:
        topics.create(target, self.topic, partitions=_PARTITIONS)

    def measure(self, target: Target) -> Sample:
        batch = wire.batch_of(100, self.batch_records)
        frames = [wire.produce_frame(self.topic, partition, batch) for partition in range(_PARTITIONS)]
        error_at = wire.produce_error_at(self.topic)
        asked = [wire.Asking(wire.always(frames[at % _PARTITIONS]), error_at) for at in range(self.producers)]
        watch = Stopwatch(target)
        requests = int(self.producers * self.seconds)
        # Each connection has written once before the time begins.
        records = (requests + self.producers) * self.batch_records
        with topics.all_arrived(target, self.topic, _PARTITIONS, records):
            load = wire.run_paced(target.port, asked, self.producers, self.seconds, watch.__enter__)
            watch.__exit__()
        if load.late_s > _LATE_MAX_S:
            raise NotDone(f"the last request left {load.late_s:.1f} s late")
        latencies_ms = [value * 1e3 for value in load.latencies_s]
        return Sample(
            {
                **watch.cpu_figures(requests, "request"),
                "p50 ms": wire.percentile(latencies_ms, 0.5),
                "p99 ms": wire.percentile(latencies_ms, 0.99),
            },
            latencies_ms,
        )

    def clean(self, target: Target) -> None:
        topics.delete(target, self.topic)


def rows(quick: bool) -> list[Workload]:
    """Two thousand."""
    limits = {"CPU us/request": Limit(kafka=0.5, kfake=1.0)}
    return [ManyProducers("2000 producers, a batch a second each", limits, seconds=3 if quick else 6, rounds_max=3)]
