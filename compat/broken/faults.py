"""Small wrong behaviours, each a line of the broker put otherwise, and the case that must notice.

The line is named by its text. Where the broker's text has changed so that a fault cannot be put in any more, the test
fails and says so: then the fault is to be written anew.
"""

from __future__ import annotations

from typing import NamedTuple


class Fault(NamedTuple):
    """One wrong behaviour."""

    name: str
    file: str
    right: str
    wrong: str
    case: str
    """The case that catches it, as `module/function`."""


FAULTS = (
    Fault(
        "the high watermark is one too low",
        "broker/runtime/partitions.py",
        "            log.high_watermark = end_offset\n",
        "            log.high_watermark = max(end_offset - 1, log.high_watermark)\n",
        "fetch/from_every_offset",
    ),
    Fault(
        "min_bytes is counted for each partition by itself",
        "broker/runtime/long_poll.py",
        "        parked.bytes_available += self.bytes_available - before\n",
        "        parked.bytes_available = self.bytes_available\n",
        "fetch/enough_from_two_partitions",
    ),
    Fault(
        "a duplicate is answered with an error",
        "storage/producer_state.py",
        "        if duplicate is not None:\n            return duplicate",
        "        if duplicate is not None:\n"
        '            raise AppendError(ErrorCode.DUPLICATE_SEQUENCE_NUMBER, "duplicate")',
        "produce/duplicates",
    ),
    Fault(
        "a duplicate is known among the last four batches only",
        "storage/producer_state.py",
        "            for batch in self.batches:",
        "            for batch in self.batches[1:]:",
        "produce/duplicates",
    ),
    Fault(
        "readers of committed records read on",
        "broker/handlers/fetch.py",
        "        self._is_committed = request.isolation_level == _READ_COMMITTED",
        "        self._is_committed = False",
        "transactions/committed_and_aborted",
    ),
    Fault(
        "an error in a fetch session is told once only",
        "broker/coordinators/session_partitions.py",
        "            or answer.error_code != ErrorCode.NONE\n",
        "",
        "fetch/a_session_with_what_is_not_there",
    ),
    Fault(
        "a fetch session takes any epoch",
        "broker/coordinators/fetch_session.py",
        "ErrorCode.INVALID_FETCH_SESSION_EPOCH",
        "ErrorCode.FETCH_SESSION_ID_NOT_FOUND",
        "fetch/epochs_of_a_session_that_are_wrong",
    ),
    Fault(
        "a topic that is only validated is made",
        "broker/handlers/create_topics.py",
        "        if not request.validate_only:\n",
        "        if True:\n",
        "create_topics/only_validated",
    ),
    Fault(
        "a topic that exists is reported without its message",
        "broker/handlers/create_topics.py",
        "error_code=refused.code, error_message=refused.message",
        "error_code=refused.code, error_message=None",
        "create_topics/one_that_is_there",
    ),
    Fault(
        "a heartbeat does not tell of a rebalance",
        "broker/coordinators/classic_sync.py",
        "    if group.state is _PREPARING:\n        return ErrorCode.REBALANCE_IN_PROGRESS\n    return _NONE",
        "    return _NONE",
        "groups/a_rebalance_of_two",
    ),
    Fault(
        "a heartbeat of an older generation is taken",
        "broker/coordinators/classic_sync.py",
        "    if request.generation_id != group.generation:\n        return ErrorCode.ILLEGAL_GENERATION\n"
        "    group.extend_session",
        "    group.extend_session",
        "heartbeat/generations_that_are_wrong",
    ),
    Fault(
        "an offset nobody committed is 0",
        "broker/handlers/offset_fetch.py",
        "committed_offset=-1 if answer.committed is None",
        "committed_offset=0 if answer.committed is None",
        "offset_fetch/what_was_committed",
    ),
    Fault(
        "the end of a transaction gives no new epoch",
        "broker/coordinators/transaction_metadata.py",
        "        if bumps_epochs(transaction_version):\n            epoch, last_epoch = min(",
        "        if False:\n            epoch, last_epoch = min(",
        "end_txn/the_epoch_of_the_next_transaction",
    ),
    Fault(
        "the start of a log is told one too low",
        "broker/handlers/delete_records.py",
        "    return log.log_start_offset\n",
        "    return max(log.log_start_offset - 1, 0)\n",
        "delete_records/up_to_an_offset",
    ),
    Fault(
        "the end under read_committed is the high watermark",
        "broker/handlers/list_offsets.py",
        "end_offset = log.last_stable_offset if isolation_level == _READ_COMMITTED else log.high_watermark",
        "end_offset = log.high_watermark",
        "transactions/committed_and_aborted",
    ),
    Fault(
        "unknown topics are asked for by id in vain",
        "broker/handlers/metadata.py",
        "error_code=ErrorCode.UNKNOWN_TOPIC_ID, name=None",
        "error_code=ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, name=None",
        "metadata/an_unknown_id",
    ),
)
