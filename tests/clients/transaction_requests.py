"""Requests about transactions, written down with what a broker answers.

The same bytes go to Ottla and to Apache Kafka. What differs by chance is made equal: producer ids are numbered in the
order of their appearance, names are replaced by what they stand for. Kafka writes markers behind the answer of EndTxn,
so a request that answers CONCURRENT_TRANSACTIONS is sent again, unless the scenario wants to see just that.
"""

from __future__ import annotations

import time
import uuid

from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.add_offsets_to_txn import AddOffsetsToTxnRequest, AddOffsetsToTxnResponse
from ottla.protocol.messages.add_partitions_to_txn import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnResponse,
    AddPartitionsToTxnTopic,
    AddPartitionsToTxnTransaction,
)
from ottla.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest, CreateTopicsResponse
from ottla.protocol.messages.describe_producers import (
    DescribeProducersRequest,
    DescribeProducersResponse,
    TopicRequest,
)
from ottla.protocol.messages.describe_transactions import DescribeTransactionsRequest, DescribeTransactionsResponse
from ottla.protocol.messages.end_txn import EndTxnRequest, EndTxnResponse
from ottla.protocol.messages.fetch import FetchPartition, FetchRequest, FetchResponse, FetchTopic
from ottla.protocol.messages.find_coordinator import FindCoordinatorRequest, FindCoordinatorResponse
from ottla.protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from ottla.protocol.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopic,
)
from ottla.protocol.messages.list_transactions import ListTransactionsRequest, ListTransactionsResponse
from ottla.protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
    OffsetFetchResponse,
)
from ottla.protocol.messages.produce import PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData
from ottla.protocol.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
    TxnOffsetCommitResponse,
)
from ottla.protocol.messages.write_txn_markers import (
    WritableTxnMarker,
    WritableTxnMarkerTopic,
    WriteTxnMarkersRequest,
    WriteTxnMarkersResponse,
)
from ottla.protocol.record_batch import read_headers
from ottla.protocol.records import Record, build_batch

from ..harness.raw_client import RawClient

SETTLE_S = 30
_MOMENTARY = (
    ErrorCode.CONCURRENT_TRANSACTIONS,
    ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
    ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.NOT_COORDINATOR,
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
)


def name_of(code: int) -> str:
    return ErrorCode(code).name


class Scenario:
    """One row of requests; `lines` is what is written down."""

    def __init__(self, broker) -> None:
        self.client = RawClient(broker)
        self.lines: list[str] = []
        self.run = uuid.uuid4().hex[:8]
        self.topic = f"topic-{self.run}"
        self.group = f"group-{self.run}"
        self._numbers: dict[int, str] = {}
        self._set_up()

    def _set_up(self) -> None:
        topic = CreatableTopic(name=self.topic, num_partitions=3, replication_factor=1)
        self.client.ask(CreateTopicsRequest(topics=[topic], timeout_ms=10_000), CreateTopicsResponse, 7)
        for key_type, key in ((0, self.group), (1, self.id())):
            request = FindCoordinatorRequest(coordinator_keys=[key], key_type=key_type)
            self._until(
                lambda request=request: self.client.ask(request, FindCoordinatorResponse, 4).coordinators[0].error_code
            )
        self._until(lambda: self._described(self.id())[0], ErrorCode.TRANSACTIONAL_ID_NOT_FOUND)
        partitions = [ListOffsetsPartition(partition_index=index, timestamp=-1) for index in range(3)]
        topics = [ListOffsetsTopic(name=self.topic, partitions=partitions)]
        request = ListOffsetsRequest(replica_id=-1, topics=topics)
        self._until(
            lambda: max(
                abs(partition.error_code)
                for partition in self.client.ask(request, ListOffsetsResponse, 9).topics[0].partitions
            )
        )

    def _until(self, ask, wanted: int = 0) -> None:
        deadline = time.monotonic() + SETTLE_S
        while ask() != wanted:
            assert time.monotonic() < deadline, "the broker does not get ready"
            time.sleep(0.05)

    def id(self, name: str = "x") -> str:
        """The transactional id that stands behind a name."""
        return f"{name}-{self.run}" if name else ""

    def note(self, *words) -> None:
        self.lines.append(" ".join(str(word) for word in words))

    def number(self, producer_id: int) -> str:
        if producer_id < 0:
            return str(producer_id)
        return self._numbers.setdefault(producer_id, f"P{len(self._numbers)}")

    def who(self, producer: tuple[int, int]) -> str:
        return f"{self.number(producer[0])}:{producer[1]}"

    def settled(self, ask, wait: bool):
        """The answer, once it is not one that only lasts a moment."""
        deadline = time.monotonic() + SETTLE_S
        while True:
            code, answer = ask()
            if not wait or code not in _MOMENTARY or time.monotonic() > deadline:
                return name_of(code), answer
            time.sleep(0.01)

    # ---- requests

    def init(self, *, name="x", producer=(-1, -1), version=5, timeout_ms=60_000, wait=True):
        request = InitProducerIdRequest(transactional_id=self.id(name), transaction_timeout_ms=timeout_ms)
        if version >= 3:
            request.producer_id, request.producer_epoch = producer

        def ask():
            answer = self.client.ask(request, InitProducerIdResponse, version)
            return answer.error_code, (answer.producer_id, answer.producer_epoch)

        code, found = self.settled(ask, wait)
        expected = "" if producer == (-1, -1) else f" as {self.who(producer)}"
        self.note(f"InitProducerId v{version} {name!r}{expected}: {code} {self.who(found)}")
        return found

    def add(self, producer, *partitions, name="x", version=3, wait=True):
        topics = [
            AddPartitionsToTxnTopic(name=self.topic if topic == "t" else topic, partitions=list(indexes))
            for topic, indexes in partitions
        ]
        request = AddPartitionsToTxnRequest(
            v3_and_below_transactional_id=self.id(name),
            v3_and_below_producer_id=producer[0],
            v3_and_below_producer_epoch=producer[1],
            v3_and_below_topics=topics,
        )

        def ask():
            answer = self.client.ask(request, AddPartitionsToTxnResponse, version)
            codes = sorted(
                (topic.name.replace(self.topic, "t"), result.partition_index, name_of(result.partition_error_code))
                for topic in answer.results_by_topic_v3_and_below
                for result in topic.results_by_partition
            )
            return ErrorCode[codes[0][2]], codes

        _, codes = self.settled(ask, wait)
        self.note(f"AddPartitionsToTxn v{version} {self.who(producer)}:", *codes)

    def batched(self, *transactions, version=5):
        """(name, producer, verify only, partitions) each."""
        request = AddPartitionsToTxnRequest(
            transactions=[
                AddPartitionsToTxnTransaction(
                    transactional_id=self.id(name),
                    producer_id=producer[0],
                    producer_epoch=producer[1],
                    verify_only=verify_only,
                    topics=[AddPartitionsToTxnTopic(name=self.topic, partitions=list(partitions))],
                )
                for name, producer, verify_only, partitions in transactions
            ]
        )
        answer = self.client.ask(request, AddPartitionsToTxnResponse, version)
        codes = sorted(
            (
                result.transactional_id.partition("-")[0],
                partition.partition_index,
                name_of(partition.partition_error_code),
            )
            for result in answer.results_by_transaction
            for topic in result.topic_results
            for partition in topic.results_by_partition
        )
        self.note(f"AddPartitionsToTxn v{version} {name_of(answer.error_code)}:", *codes)

    def add_offsets(self, producer, *, version=3, wait=True):
        request = AddOffsetsToTxnRequest(
            transactional_id=self.id(), producer_id=producer[0], producer_epoch=producer[1], group_id=self.group
        )

        def ask():
            code = self.client.ask(request, AddOffsetsToTxnResponse, version).error_code
            return code, None

        code, _ = self.settled(ask, wait)
        self.note(f"AddOffsetsToTxn v{version} {self.who(producer)}: {code}")

    def send(
        self,
        producer,
        sequence,
        *,
        partition=0,
        count=1,
        version=12,
        name="x",
        transactional=True,
        wait=True,
        topic=None,
        acks=-1,
    ):
        records = [Record(offset, 1_700_000_000_000, b"k", b"v" * 100) for offset in range(count)]
        batch = build_batch(
            records,
            base_offset=0,
            producer_id=producer[0],
            producer_epoch=producer[1],
            base_sequence=sequence,
            is_transactional=transactional,
        )
        data = PartitionProduceData(index=partition, records=bytes(batch))
        request = ProduceRequest(
            transactional_id=self.id(name) if name is not None else None,
            acks=acks,
            timeout_ms=10_000,
            topic_data=[TopicProduceData(name=topic or self.topic, partition_data=[data])],
        )

        def ask():
            answer = self.client.ask(request, ProduceResponse, version).responses[0].partition_responses[0]
            return answer.error_code, answer

        code, answer = self.settled(ask, wait)
        kind = "" if transactional else " plain"
        self.note(
            f"Produce v{version} {self.who(producer)}{kind} {partition}@{sequence}: {code} offset {answer.base_offset}"
            f" start {answer.log_start_offset} message {answer.error_message!r}"
        )

    def end(self, producer, *, commit, version=5, name="x", wait=True):
        request = EndTxnRequest(
            transactional_id=self.id(name), producer_id=producer[0], producer_epoch=producer[1], committed=commit
        )

        def ask():
            answer = self.client.ask(request, EndTxnResponse, version)
            return answer.error_code, (answer.producer_id, answer.producer_epoch)

        code, found = self.settled(ask, wait)
        way = "commit" if commit else "abort"
        self.note(f"EndTxn v{version} {self.who(producer)} {way}: {code} {self.who(found)}")
        return found if found[0] >= 0 else producer

    def commit_offset(
        self, producer, offset, *, version=5, topic=None, group=None, metadata="", wait=True, label="", **member
    ):
        request = TxnOffsetCommitRequest(
            transactional_id=self.id(),
            group_id=self.group if group is None else group,
            producer_id=producer[0],
            producer_epoch=producer[1],
            topics=[
                TxnOffsetCommitRequestTopic(
                    name=topic or self.topic,
                    partitions=[
                        TxnOffsetCommitRequestPartition(
                            partition_index=0, committed_offset=offset, committed_metadata=metadata
                        )
                    ],
                )
            ],
            **member,
        )

        def ask():
            answer = self.client.ask(request, TxnOffsetCommitResponse, version)
            return answer.topics[0].partitions[0].error_code, None

        code, _ = self.settled(ask, wait)
        self.note(f"TxnOffsetCommit v{version} {self.who(producer)} {offset} {label or member}: {code}")

    def fetch_offset(self, *, stable, wanted=None):
        topics = [OffsetFetchRequestTopics(name=self.topic, partition_indexes=[0])]
        request = OffsetFetchRequest(
            require_stable=stable, groups=[OffsetFetchRequestGroup(group_id=self.group, topics=topics)]
        )

        def ask():
            return self.client.ask(request, OffsetFetchResponse, 8).groups[0].topics[0].partitions[0]

        if wanted is not None:
            self._until(lambda: ask().committed_offset, wanted)
        answer = ask()
        kind = "stable" if stable else "any"
        self.note(f"OffsetFetch {kind}: {name_of(answer.error_code)} {answer.committed_offset}")

    def mark(self, producer, *, commit, partitions=(0,), coordinator_epoch=0, version=2, transaction_version=0):
        marker = WritableTxnMarker(
            producer_id=producer[0],
            producer_epoch=producer[1],
            transaction_result=commit,
            topics=[WritableTxnMarkerTopic(name=self.topic, partition_indexes=list(partitions))],
            coordinator_epoch=coordinator_epoch,
            transaction_version=transaction_version if version >= 2 else 0,
        )
        answer = self.client.ask(WriteTxnMarkersRequest(markers=[marker]), WriteTxnMarkersResponse, version)
        codes = sorted(
            (self.number(result.producer_id), partition.partition_index, name_of(partition.error_code))
            for result in answer.markers
            for topic in result.topics
            for partition in topic.partitions
        )
        self.note(f"WriteTxnMarkers v{version} {self.who(producer)} {'commit' if commit else 'abort'}:", *codes)

    # ---- what is there then

    def _described(self, transactional_id: str):
        request = DescribeTransactionsRequest(transactional_ids=[transactional_id])
        [state] = self.client.ask(request, DescribeTransactionsResponse, 0).transaction_states
        return state.error_code, state

    def described(self, state_name: str | None = None, *, name="x"):
        """Look at a transactional id, once it is in that state."""
        if state_name is not None:
            self._until(lambda: self._described(self.id(name))[1].transaction_state, state_name)
        code, state = self._described(self.id(name))
        partitions = sorted(
            (topic.topic.replace(self.topic, "t"), index)
            for topic in state.topics
            for index in topic.partitions
            if not topic.topic.startswith("__")
        )
        self.note(
            f"DescribeTransactions {name!r}: {name_of(code)} {state.transaction_state!r} {state.transaction_timeout_ms}"
            f" begun {state.transaction_start_time_ms > 0} {self.who((state.producer_id, state.producer_epoch))}",
            *partitions,
        )

    def listed(self, version=2, **filters):
        answer = self.client.ask(ListTransactionsRequest(**filters), ListTransactionsResponse, version)
        found = sorted(
            (state.transactional_id.removesuffix(f"-{self.run}"), state.transaction_state)
            for state in answer.transaction_states
            if state.transactional_id.endswith(self.run)
        )
        shown = {key: value for key, value in filters.items() if key != "producer_id_filters"}
        self.note(
            f"ListTransactions v{version} {shown}: {name_of(answer.error_code)} {answer.unknown_state_filters}", *found
        )

    def producers(self, *partitions):
        request = DescribeProducersRequest(
            topics=[TopicRequest(name=self.topic, partition_indexes=list(partitions or (0,)))]
        )
        for partition in self.client.ask(request, DescribeProducersResponse, 0).topics[0].partitions:
            states = sorted(
                (
                    self.who((state.producer_id, state.producer_epoch)),
                    f"sequence {state.last_sequence}",
                    f"coordinator {state.coordinator_epoch}",
                    f"open at {state.current_txn_start_offset}",
                )
                for state in partition.active_producers
            )
            code = name_of(partition.error_code)
            self.note(f"DescribeProducers {partition.partition_index}: {code}", *states)

    def fetched(self, *, partition=0, offset=0, max_bytes=1 << 20, wanted_end=None, committed=True):
        """What a consumer is given: batches, last stable offset, aborted transactions."""
        request = FetchRequest(
            max_wait_ms=0,
            min_bytes=0,
            max_bytes=1 << 20,
            isolation_level=int(committed),
            topics=[
                FetchTopic(
                    topic=self.topic,
                    partitions=[
                        FetchPartition(partition=partition, fetch_offset=offset, partition_max_bytes=max_bytes)
                    ],
                )
            ],
        )

        def ask():
            return self.client.ask(request, FetchResponse, 12).responses[0].partitions[0]

        if wanted_end is not None:
            self._until(lambda: ask().last_stable_offset, wanted_end)
        data = ask()
        whole = _whole_batches(bytes(data.records or b""))
        batches = [
            "".join(
                (
                    str(header.base_offset),
                    "!" if header.is_control else "",
                    self.who((header.producer_id, header.producer_epoch)),
                )
            )
            for header in whole
        ]
        aborted = data.aborted_transactions
        told = None if aborted is None else [f"{self.number(txn.producer_id)}@{txn.first_offset}" for txn in aborted]
        self.note(
            f"Fetch {partition}@{offset} {'committed' if committed else 'all'}: stable {data.last_stable_offset} of "
            f"{data.high_watermark}, batches {batches}, aborted {told}"
        )

    def end_offset(self, isolation_level, timestamp=-1):
        wanted = ListOffsetsPartition(partition_index=0, timestamp=timestamp)
        request = ListOffsetsRequest(
            replica_id=-1,
            isolation_level=isolation_level,
            topics=[ListOffsetsTopic(name=self.topic, partitions=[wanted])],
        )
        answer = self.client.ask(request, ListOffsetsResponse, 9).topics[0].partitions[0]
        self.note(f"ListOffsets {timestamp} level {isolation_level}: {name_of(answer.error_code)} {answer.offset}")


def _whole_batches(records: bytes) -> list:
    headers = []
    try:
        headers += [header for _, header in read_headers(records)]
    except ValueError:
        position = 0
        while position + 12 <= len(records):
            size = 12 + int.from_bytes(records[position + 8 : position + 12], "big")
            if position + size > len(records):
                break
            headers += [header for _, header in read_headers(records[position : position + size])]
            position += size
    return headers
