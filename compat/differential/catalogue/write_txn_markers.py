"""WriteTxnMarkers."""

from __future__ import annotations

from ottla.protocol.messages.write_txn_markers import (
    WritableTxnMarker,
    WritableTxnMarkerTopic,
    WriteTxnMarkersRequest,
)

from ..transaction_requests import begun

API = WriteTxnMarkersRequest


def _marker(producer, *topics, committed=False, coordinator_epoch=0):
    wanted = [WritableTxnMarkerTopic(name=name, partition_indexes=list(indexes)) for name, indexes in topics]
    return WritableTxnMarker(
        producer_id=producer[0],
        producer_epoch=producer[1],
        transaction_result=committed,
        topics=wanted,
        coordinator_epoch=coordinator_epoch,
    )


def of_an_open_transaction(w):
    _, producer, topic = begun(w)
    yield WriteTxnMarkersRequest(markers=[_marker(producer, (topic.name, [0]))])
    yield WriteTxnMarkersRequest(markers=[_marker(producer, (topic.name, [0]))])


def what_is_not_there(w):
    _, producer, topic = begun(w)
    marker = _marker(producer, (topic.name, [0, 9]), (w.name("none"), [0]))
    yield WriteTxnMarkersRequest(markers=[marker])


def an_older_epoch(w):
    topic = w.topic()
    w.produce(topic, b"x", producer=(producer := w.producer())._replace(epoch=5))
    yield WriteTxnMarkersRequest(markers=[_marker((producer.id, 4), (topic.name, [0]))])


def nothing(w):
    yield WriteTxnMarkersRequest(markers=[])
