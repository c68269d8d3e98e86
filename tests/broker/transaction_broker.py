"""A broker with transactional producers: their requests go through the handlers, to real logs in a real folder."""

from __future__ import annotations

from ottla.broker.handlers import (
    add_partitions_to_txn,
    describe_transactions,
    end_txn,
    find_coordinator,
    init_producer_id,
    list_offsets,
    offset_fetch,
    txn_offset_commit,
    write_txn_markers,
)
from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.add_partitions_to_txn import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnTopic,
)
from ottla.protocol.messages.describe_transactions import DescribeTransactionsRequest
from ottla.protocol.messages.end_txn import EndTxnRequest
from ottla.protocol.messages.find_coordinator import FindCoordinatorRequest
from ottla.protocol.messages.init_producer_id import InitProducerIdRequest
from ottla.protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from ottla.protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
)
from ottla.protocol.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
)
from ottla.protocol.messages.write_txn_markers import (
    WritableTxnMarker,
    WritableTxnMarkerTopic,
    WriteTxnMarkersRequest,
)

from .data_broker import DataBroker, batch

NAME = "payments"


class TransactionBroker(DataBroker):
    """A broker with topic `t` of two partitions, and transactional producers that say what their version says."""

    def __init__(self, folder, *options):
        super().__init__(folder, "transaction.state.log.num.partitions=3", *options)
        self.create("t", 2)
        for key_type in (0, 1):
            self.ask(find_coordinator, FindCoordinatorRequest(key="g", key_type=key_type), 3)

    def init(self, version=5, *, name=NAME, producer=(-1, -1), timeout_ms=60_000):
        request = InitProducerIdRequest(
            transactional_id=name,
            transaction_timeout_ms=timeout_ms,
            **({"producer_id": producer[0], "producer_epoch": producer[1]} if version >= 3 else {}),
        )
        answer = self.ask(init_producer_id, request, version)
        return ErrorCode(answer.error_code).name, (answer.producer_id, answer.producer_epoch)

    def begin(self, name=NAME, **fields):
        """A producer that has begun."""
        code, producer = self.init(name=name, **fields)
        assert code == "NONE", code
        return producer

    def add(self, producer, *partitions, version=3, name=NAME):
        topics = [AddPartitionsToTxnTopic(name=topic, partitions=list(indexes)) for topic, indexes in partitions]
        request = AddPartitionsToTxnRequest(
            v3_and_below_transactional_id=name,
            v3_and_below_producer_id=producer[0],
            v3_and_below_producer_epoch=producer[1],
            v3_and_below_topics=topics,
        )
        answer = self.ask(add_partitions_to_txn, request, version)
        return [
            (topic.name, result.partition_index, ErrorCode(result.partition_error_code).name)
            for topic in answer.results_by_topic_v3_and_below
            for result in topic.results_by_partition
        ]

    def send(self, producer, sequence, *, partition=0, version=12, name=NAME, count=1):
        records = batch(
            count,
            producer_id=producer[0],
            producer_epoch=producer[1],
            base_sequence=sequence,
            is_transactional=True,
        )
        answer = self.produce("t", records, partition=partition, version=version, transactional_id=name)
        return ErrorCode(answer.error_code).name

    def end(self, producer, *, commit, version=5, name=NAME):
        request = EndTxnRequest(
            transactional_id=name, producer_id=producer[0], producer_epoch=producer[1], committed=commit
        )
        answer = self.ask(end_txn, request, version)
        return ErrorCode(answer.error_code).name, (answer.producer_id, answer.producer_epoch)

    def described(self, name=NAME):
        [state] = self.ask(
            describe_transactions, DescribeTransactionsRequest(transactional_ids=[name]), 0
        ).transaction_states
        topics = [(topic.topic, index) for topic in state.topics for index in topic.partitions]
        return ErrorCode(state.error_code).name, state.transaction_state, topics

    def committed_and_aborted(self, partition=0):
        """What a read_committed consumer is given: (bytes, last stable offset, aborted transactions)."""
        response = self.fetch(("t", [{"partition": partition}]), isolation_level=1)
        data = response.responses[0].partitions[0]
        aborted = [(txn.producer_id, txn.first_offset) for txn in data.aborted_transactions]
        return len(data.records), data.last_stable_offset, aborted

    def end_offsets(self, isolation_level):
        request = ListOffsetsRequest(
            isolation_level=isolation_level,
            topics=[ListOffsetsTopic(name="t", partitions=[ListOffsetsPartition(partition_index=0, timestamp=-1)])],
        )
        return self.ask(list_offsets, request, 9).topics[0].partitions[0].offset

    def commit_offset(self, producer, offset, **fields):
        answer = self.start_commit_offset(producer, offset, **fields)
        return ErrorCode(answer.topics[0].partitions[0].error_code).name

    def start_commit_offset(self, producer, offset, *, version=5, group="g", topic="t", **fields):
        """The answer, or the parked one where something must be synced first."""
        request = TxnOffsetCommitRequest(
            transactional_id=NAME,
            group_id=group,
            producer_id=producer[0],
            producer_epoch=producer[1],
            topics=[
                TxnOffsetCommitRequestTopic(
                    name=topic,
                    partitions=[TxnOffsetCommitRequestPartition(partition_index=0, committed_offset=offset)],
                )
            ],
            **fields,
        )
        return self.ask(txn_offset_commit, request, version)

    def fetch_offset(self, *, stable=True):
        request = OffsetFetchRequest(
            require_stable=stable,
            groups=[
                OffsetFetchRequestGroup(
                    group_id="g", topics=[OffsetFetchRequestTopics(name="t", partition_indexes=[0])]
                )
            ],
        )
        partition = self.ask(offset_fetch, request, 9).groups[0].topics[0].partitions[0]
        return ErrorCode(partition.error_code).name, partition.committed_offset

    def mark(self, producer, *, commit=False, partitions=(0,), topic="t", coordinator_epoch=0, transaction_version=0):
        marker = WritableTxnMarker(
            producer_id=producer[0],
            producer_epoch=producer[1],
            transaction_result=commit,
            topics=[WritableTxnMarkerTopic(name=topic, partition_indexes=list(partitions))],
            coordinator_epoch=coordinator_epoch,
            transaction_version=transaction_version,
        )
        answer = self.ask(write_txn_markers, WriteTxnMarkersRequest(markers=[marker]), 2)
        return [
            (result.producer_id, topic.name, partition.partition_index, ErrorCode(partition.error_code).name)
            for result in answer.markers
            for topic in result.topics
            for partition in topic.partitions
        ]
