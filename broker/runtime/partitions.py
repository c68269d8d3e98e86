"""The partitions that this broker serves, found by name or by topic id.

A partition is a log with a leader epoch and the fetches that wait for it. An append moves the high watermark to the
end of the log, since there is one replica, and tells the waiting fetches before it returns. Where `flush.messages` asks
for the disk, both come when the log is synced. A log that fails takes its partition off line, and no other.
Kafka: `ReplicaManager`, `Partition`.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, Protocol

from ...protocol.compression import MissingCodec
from ...protocol.errors import ErrorCode
from ...storage.append import AppendError, AppendOrigin, OffsetOutOfRange
from ...storage.file_records import FileRecords
from ...storage.log_config import MAX_LONG
from ...storage.log_sync import is_disk_full
from ...storage.unavailable_log import UnavailableLog
from ..metadata.cluster_metadata import MetadataListener
from ..metadata.image import ResourceType
from ..metadata.partition_image import NO_LEADER
from .long_poll import complete_all, partition_grew

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ...protocol.record_batch import BatchHeader
    from ...storage.append import Appended
    from ...storage.log import Log
    from ...storage.log_config import LogConfig
    from ...storage.producer_state import EndTxnMarker
    from ..metadata.image import MetadataImage
    from ..metadata.partition_image import PartitionImage, TopicImage
    from .commit_barrier import Told
    from .fetch_shape import FetchShape
    from .long_poll import ReadCache, SettledWatch, Watch

logger = logging.getLogger(__name__)

ANY_EPOCH: Final = -1
"""What a reader says that believes in no leader epoch."""


class Partition:
    """One partition: its log, its leader epoch, and who waits for it."""

    __slots__ = (
        "fetch_shapes",
        "flushed_ms",
        "index",
        "is_committed",
        "leader_epoch",
        "log",
        "offline_reason",
        "settled",
        "topic",
        "topic_id",
        "watches",
    )

    def __init__(self, topic: str, topic_id: bytes, index: int, leader_epoch: int, log: Log) -> None:
        self.topic = topic
        self.topic_id = topic_id
        self.index = index
        self.leader_epoch = leader_epoch
        self.log = log
        self.offline_reason: str | None = None
        self.flushed_ms = 0
        self.is_committed = True
        """Whether the high watermark is the end of the log."""
        self.watches: dict[Watch, None] = {}
        """Of the fetches that wait, in the order in which they came."""
        self.settled: dict[SettledWatch, None] = {}
        """Of the fetch sessions that have been told everything."""
        self.fetch_shapes: dict[tuple[int, bool], FetchShape] = {}
        """By version, and by whether the reader waits for transactions to end."""
        log.sync.listener = self

    @property
    def name(self) -> str:
        """As people and file names have it: TOPIC-PARTITION."""
        return f"{self.topic}-{self.index}"

    @property
    def commits_at_once(self) -> bool:
        """Whether what is written next may be spoken of when it is written: nothing waits for the disk."""
        return self.is_committed and self.log.config.flush_messages == MAX_LONG

    def problem_with_epoch(self, asked: int) -> ErrorCode | None:
        """Why a reader that believes in leader epoch `asked` cannot be served; -1 believes in any (KIP-320).

        What lies below -1 is an old epoch.
        """
        if self.offline_reason is not None:
            return ErrorCode.KAFKA_STORAGE_ERROR
        if asked in (ANY_EPOCH, self.leader_epoch):
            return None
        return ErrorCode.FENCED_LEADER_EPOCH if asked < self.leader_epoch else ErrorCode.UNKNOWN_LEADER_EPOCH

    def append(self, records: memoryview, *, now_ms: int, origin: AppendOrigin = AppendOrigin.CLIENT) -> Appended:
        """Append batches, make them visible and answer who waited for them. Raises AppendError.

        Who must not speak of them before they are committed asks `when_committed`.
        """
        appended = self.append_quietly(records, now_ms, origin)
        if self.watches:
            partition_grew(self)
        return appended

    def append_quietly(self, records: memoryview, now_ms: int, origin: AppendOrigin = AppendOrigin.CLIENT) -> Appended:
        """Append batches and make them visible; the caller calls `partition_grew` when it is done. Raises AppendError.

        So a fetch that waits for several partitions sees all that one request appends to them.
        """
        if self.offline_reason is not None:
            raise AppendError(ErrorCode.KAFKA_STORAGE_ERROR, self.offline_reason)
        log = self.log
        try:
            appended = log.append(records, leader_epoch=self.leader_epoch, now_ms=now_ms, origin=origin)
        except AppendError as error:
            self._look_at_cause(error)
            raise
        self._make_visible(log)
        return appended

    def append_built(
        self, batch: bytearray, header: BatchHeader, now_ms: int, marker: EndTxnMarker | None = None
    ) -> Appended:
        """Append one batch that the broker built, as `append` and `Log.append_built` do. Raises AppendError."""
        if self.offline_reason is not None:
            raise AppendError(ErrorCode.KAFKA_STORAGE_ERROR, self.offline_reason)
        log = self.log
        try:
            appended = log.append_built(batch, header, leader_epoch=self.leader_epoch, now_ms=now_ms, marker=marker)
        except AppendError as error:
            self._look_at_cause(error)
            raise
        self._make_visible(log)
        if self.watches:
            partition_grew(self)
        return appended

    def _make_visible(self, log: Log) -> None:
        end_offset = log.log_end_offset
        if end_offset - log.recovery_point < log.config.flush_messages:
            log.high_watermark = end_offset
            if self.settled:
                self.unsettle()
        else:
            self.is_committed = False
            log.sync.request(end_offset)

    def _look_at_cause(self, error: AppendError) -> None:
        """A full disk refuses a batch and may take the next; any other trouble ends the use of the log."""
        cause = error.__cause__
        if isinstance(cause, OSError) and not is_disk_full(cause):
            self.take_offline(error.message)

    def when_committed(self, offset: int, told: Callable[[OSError | None], None]) -> None:
        """Call back when everything below `offset` is below the high watermark, or with what keeps it from there."""
        if offset <= self.log.high_watermark:
            told(None)
        else:
            self.log.sync.when_synced(offset, told)

    def log_synced(self) -> None:
        """Move the high watermark as far as the sync allows, and tell who waits for it."""
        log = self.log
        is_flush_due = log.log_end_offset - log.recovery_point >= log.config.flush_messages
        committed = log.recovery_point if is_flush_due else log.log_end_offset
        self.is_committed = committed == log.log_end_offset
        if committed > log.high_watermark:
            log.high_watermark = committed
            self.unsettle()
            if self.watches:
                partition_grew(self)

    def log_failed(self, error: OSError) -> None:
        """Serve no more: what the disk holds of the log is not known."""
        self.take_offline(f"{error.filename or self.log.directory}: {error.strerror or error}")

    def read(
        self, offset: int, max_bytes: int, end_offset: int, min_one_batch: bool, cache: ReadCache | None = None
    ) -> bytes | FileRecords:
        """Read as `Log.read` does; readers that share a cache and stand at the same place share the bytes.

        Raises OffsetOutOfRange, OSError, CorruptBatch.
        """
        if cache is None:
            return self._read(offset, max_bytes, end_offset, min_one_batch)
        key = (self, offset, max_bytes, end_offset, min_one_batch)
        records = cache.records.get(key)
        if records is None:
            records = cache.records[key] = self._read(offset, max_bytes, end_offset, min_one_batch)
        return records

    def _read(self, offset: int, max_bytes: int, end_offset: int, min_one_batch: bool) -> bytes | FileRecords:
        records = self.log.read(offset, max_bytes, up_to_offset=end_offset, min_one_batch=min_one_batch)
        if type(records) is FileRecords:
            records.on_failure = self.read_failed
        return records

    def read_failed(self, error: Exception) -> ErrorCode:
        """What to answer a reader whose read raised `error`; a disk that does not read takes the partition off line."""
        if isinstance(error, OSError):
            self.take_offline(str(error))
            return ErrorCode.KAFKA_STORAGE_ERROR
        if isinstance(error, OffsetOutOfRange):
            return ErrorCode.OFFSET_OUT_OF_RANGE
        logger.error("%s: %s", self.name, error)
        return ErrorCode.UNSUPPORTED_COMPRESSION_TYPE if isinstance(error, MissingCodec) else ErrorCode.CORRUPT_MESSAGE

    def flush_if_due(self, now_ms: int) -> None:
        """See that the log comes to the disk when flush.ms have passed since the last time."""
        if now_ms - self.flushed_ms >= self.log.config.flush_ms:
            self.flushed_ms = now_ms
            if self.log.recovery_point < self.log.log_end_offset:
                self.log.sync.request(self.log.log_end_offset)

    def delete_records_below(self, offset: int) -> None:
        """Have the log begin at `offset`. Raises OffsetOutOfRange above the high watermark, OSError."""
        if self.log.advance_log_start_offset(offset):
            self.unsettle()

    def apply_retention(self, now_ms: int) -> int:
        """Give up what retention allows; return how many segments. Raises OSError."""
        start_offset = self.log.log_start_offset
        try:
            return self.log.apply_retention(now_ms)
        finally:
            if self.log.log_start_offset != start_offset:
                self.unsettle()

    def unsettle(self) -> None:
        """Have the fetch sessions that follow this partition read it again: something has changed."""
        for watch in list(self.settled):
            watch.unsettle()

    def take_offline(self, reason: str) -> None:
        """Serve no more: the log cannot be read or written."""
        self.offline_reason = reason
        logger.error("%s is off line: %s", self.name, reason)
        self.tell_changed()

    def use(self, log: Log) -> None:
        """Serve again, from a log that could be opened after all."""
        self.log = log
        self.offline_reason = None
        log.sync.listener = self

    def tell_changed(self) -> None:
        """Answer everybody who waits, whatever they wait for."""
        self.unsettle()
        complete_all(self.watches)


class PartitionLogs(Protocol):
    """Where logs come from and go to: the log directories."""

    def open(self, topic: str, index: int, topic_id: bytes, config: LogConfig, directory_id: bytes) -> Log:
        """The log of a partition, found or made. Raises OSError."""
        ...

    def discard(self, log: Log) -> None:
        """Give up a log with its files."""
        ...

    def keep_starts(self, logs: Sequence[Log]) -> list[Callable[[Told], None]]:
        """What must be done before anybody is told that these logs begin where they do now."""
        ...


class Partitions(MetadataListener):
    """Every partition of the broker; follows the metadata."""

    def __init__(
        self,
        logs: PartitionLogs,
        image: MetadataImage,
        log_config: Callable[[Mapping[str, str]], LogConfig],
    ) -> None:
        self._logs = logs
        self._image = image
        self._log_config = log_config
        self._by_name: dict[str, dict[int, Partition]] = {}
        self._by_id: dict[bytes, dict[int, Partition]] = {}

    def __iter__(self) -> Iterator[Partition]:
        for partitions in list(self._by_name.values()):
            yield from partitions.values()

    def open_all(self) -> None:
        """Open the log of every partition that the image has."""
        for topic in self._image.topics_by_name.values():
            self.topic_created(topic)

    def get(self, topic: str, index: int) -> Partition | None:
        """A partition by name, or None."""
        partitions = self._by_name.get(topic)
        return None if partitions is None else partitions.get(index)

    def find(self, topic: str, topic_id: bytes, index: int, *, by_id: bool) -> Partition | None:
        """A partition by whichever of the two a request names its topic with, or None."""
        partitions = self._by_id.get(topic_id) if by_id else self._by_name.get(topic)
        return None if partitions is None else partitions.get(index)

    def topic_name(self, topic_id: bytes) -> str | None:
        """The name of the topic with this id, or None."""
        partitions = self._by_id.get(topic_id)
        return next(iter(partitions.values())).topic if partitions else None

    def count_of(self, topic: str) -> int:
        """How many partitions a topic has, here or elsewhere; 0 when there is no such topic."""
        image = self._image.topics_by_name.get(topic)
        return 0 if image is None else len(image.partitions)

    def topic_created(self, topic: TopicImage) -> None:
        """Open the logs of a topic."""
        self._by_name[topic.name] = self._by_id[topic.topic_id] = {}
        self.partitions_added(topic, 0)

    def partitions_added(self, topic: TopicImage, first_index: int) -> None:
        """Open the logs of partitions that a topic got; one without a leader has its log elsewhere."""
        partitions = self._by_id[topic.topic_id]
        config = self._config_of(topic.name)
        for image in topic.partitions[first_index:]:
            if image.leader != NO_LEADER:
                partitions[image.index] = self._open(topic, image, config)

    def topic_deleted(self, topic: TopicImage) -> None:
        """Give up the logs of a topic; who waits for them is told."""
        self._by_name.pop(topic.name, None)
        partitions = self._by_id.pop(topic.topic_id, {}).values()
        for partition in partitions:
            partition.unsettle()
        for partition in partitions:
            partition.offline_reason = f"topic {topic.name} was deleted"
            self._logs.discard(partition.log)
            partition.tell_changed()

    def keep_log_starts(self, logs: Sequence[Log]) -> list[Callable[[Told], None]]:
        """What an answer must wait for that says where these logs begin: what was deleted must not come back."""
        return self._logs.keep_starts(logs)

    def config_changed(self, resource_type: int, name: str) -> None:
        """Give logs their new configuration."""
        if resource_type == ResourceType.TOPIC:
            self._reconfigure(name)
        elif resource_type == ResourceType.BROKER:
            for topic in self._by_name:
                self._reconfigure(topic)

    def _reconfigure(self, topic: str) -> None:
        config = self._config_of(topic)
        for partition in self._by_name.get(topic, {}).values():
            partition.log.update_config(config)

    def _config_of(self, topic: str) -> LogConfig:
        return self._log_config(self._image.configs_of(ResourceType.TOPIC, topic))

    def _open(self, topic: TopicImage, image: PartitionImage, config: LogConfig) -> Partition:
        log = self._open_log(topic, image, config, image.leader_epoch)
        partition = Partition(topic.name, topic.topic_id, image.index, image.leader_epoch, log)
        if isinstance(log, UnavailableLog):
            partition.take_offline(log.problem)
        return partition

    def _open_log(self, topic: TopicImage, image: PartitionImage, config: LogConfig, leader_epoch: int) -> Log:
        """A log that this broker leads: with one replica, all that it holds may be read."""
        directory_id = image.directories[0] if image.directories else bytes(16)
        log = self._logs.open(topic.name, image.index, topic.topic_id, config, directory_id)
        log.high_watermark = log.log_end_offset
        log.leader_epochs.announce(leader_epoch, log.log_end_offset)
        return log

    def is_partly_offline(self, topic: str) -> bool:
        """Whether some partition of a topic cannot be read."""
        return any(partition.offline_reason is not None for partition in self._by_name.get(topic, {}).values())

    def reopen(self) -> list[str]:
        """Try again to open what could not be opened for want of room, or of descriptors; return the topics tried."""
        tried = []
        for topic in list(self._image.topics_by_name.values()):
            partitions = self._by_id.get(topic.topic_id, {})
            for index, partition in partitions.items():
                if isinstance(partition.log, UnavailableLog) and partition.log.may_pass:
                    self._reopen(topic, topic.partitions[index], partition)
                    tried.append(topic.name)
        return tried

    def _reopen(self, topic: TopicImage, image: PartitionImage, partition: Partition) -> None:
        log = self._open_log(topic, image, self._config_of(topic.name), partition.leader_epoch)
        if not isinstance(log, UnavailableLog):
            partition.use(log)
            logger.info("%s is back", partition.name)
