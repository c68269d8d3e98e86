"""Handlers that do what a fault says, in front of the ordinary ones. Runs on the broker's loop.

They stand in an API table of their own, so that reading requests and sending answers are as ever; a broker without
faults has the ordinary table, and no question is asked.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from ....protocol.api_keys import ApiKey
from ....protocol.compiler import encode_parts
from ....protocol.messages.fetch import FetchableTopicResponse, PartitionData
from ...handlers.read_only import READS
from ...request import Deferred
from .answers import Selection, blank_response, merge, put_errors, split
from .fault import FaultKind
from .rules import Asked, place_of
from .targets import targets_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ....protocol.messages.fetch import FetchRequest, FetchResponse
    from ....protocol.schema import Message
    from ...api_table import Api
    from ...coordinators.session_partitions import CachedPartition
    from ...request import RequestContext
    from ...services import Services
    from .rules import Rule, RuleBook

    Answer = Message | Deferred[Any] | None

_READS: Final = READS | {ApiKey.DESCRIBE_TRANSACTIONS, ApiKey.LIST_TRANSACTIONS}
_REASON: Final = "a fault of the test"


class FaultyHandlers:
    """The handlers of one broker while there are rules."""

    def __init__(self, book: RuleBook, all_over: Callable[[], None]) -> None:
        """`all_over` is called when the last rule about requests has hit for the last time."""
        self._book = book
        self._all_over = all_over

    def apis(self, apis: Mapping[int, Api]) -> dict[int, Api]:
        """The API table with these handlers in it."""
        return {key: api._replace(handle=partial(self._handle, api), repeated=None) for key, api in apis.items()}

    def _handle(self, api: Api, request: Message, context: RequestContext, services: Services) -> Answer:
        request_handled = _Request(api, request, context, services)
        clock = services.clock
        rule = self._book.decide(request_handled.asked(), clock.monotonic_ms(), clock.now_ms())
        if not self._book.has_request_rules:
            self._all_over()
        if rule is None:
            return request_handled.act()
        return request_handled.act_faulty(rule)


class _Request:
    """A request on its way, and what can become of it."""

    def __init__(self, api: Api, request: Any, context: RequestContext, services: Services) -> None:
        self._api = api
        self._request = request
        self._context = context
        self._services = services
        self._version = context.api_version

    def asked(self) -> Asked:
        """What rules see of it."""
        context = self._context
        targets = targets_of(self._request, self._version, self._services.partitions.topic_name)
        if self._api.key == ApiKey.FETCH:
            targets.places.update((each.topic, each.partition) for each in self._session_partitions())
        return Asked(context.api_key, self._version, context.client_id, context.correlation_id, targets)

    def _session_partitions(self) -> list[CachedPartition]:
        """What a fetch reads beside what it names."""
        session = self._services.fetch_sessions.get(self._request.session_id)
        return [] if session is None else list(session.partitions.values())

    def act(self) -> Answer:
        """What the broker does without faults."""
        return cast("Answer", self._api.handle(self._request, self._context, self._services))

    def _act_and_commit(self) -> Answer:
        """The same, with an answer that is there when what it tells is on the disk."""
        answer = self.act()
        commits = self._services.commits
        return cast("Answer", commits.hold(answer, self._context.connection)) if commits.pending else answer

    def act_faulty(self, rule: Rule) -> Answer:
        """What the rule says."""
        kind = rule.fault.kind
        if kind in (FaultKind.ERROR, FaultKind.COORDINATOR_UNAVAILABLE):
            return self._answer_error(rule)
        if kind is FaultKind.DISCONNECT:
            self._context.close_connection(_REASON)
            return None
        if kind is FaultKind.NEVER_ANSWER:
            return _never(self.act() if rule.fault.acting else None)
        return self._act_and(kind, rule)

    def _act_and(self, kind: FaultKind, rule: Rule) -> Answer:
        """Act, and do with the answer what the rule says, once it is there."""
        answer = self._act_and_commit()
        if answer is None:
            if kind in (FaultKind.LOSE_ANSWER, FaultKind.ANSWER_AND_DISCONNECT):
                self._context.close_connection(_REASON)
            return None
        given: Deferred[Any] = Deferred()
        if isinstance(answer, Deferred):
            given.on_abandon = answer.abandon
        finish = {
            FaultKind.LOSE_ANSWER: self._lose,
            FaultKind.ANSWER_AND_DISCONNECT: self._give_and_disconnect,
            FaultKind.DELAY: self._give_late,
            FaultKind.THROTTLE: self._give_slowly,
        }[kind]
        _when_there(answer, partial(finish, given, rule))
        return given

    # What becomes of an answer

    def _lose(self, given: Deferred[Any], rule: Rule, response: Message) -> None:
        self._context.close_connection(_REASON)

    def _give_and_disconnect(self, given: Deferred[Any], rule: Rule, response: Message) -> None:
        def give() -> None:
            given.complete(response)
            self._context.close_connection(_REASON)

        # In a turn of its own: the connection must have parked the request before it is answered.
        given.on_abandon = asyncio.get_running_loop().call_soon(give).cancel

    def _give_late(self, given: Deferred[Any], rule: Rule, response: Message) -> None:
        self._give_at(given, self._services.clock.monotonic_ms() + rule.fault.delay_ms, response)

    def _give_slowly(self, given: Deferred[Any], rule: Rule, response: Message) -> None:
        size_bytes = sum(map(len, encode_parts(response, self._version)))
        size_bytes += sum(map(len, encode_parts(self._request, self._version)))
        self._give_at(given, rule.carried_at_ms(size_bytes, self._services.clock.monotonic_ms()), response)

    def _give_at(self, given: Deferred[Any], at_ms: int, response: Message) -> None:
        timer = self._services.timers.schedule(at_ms, lambda: given.complete(response))
        given.on_abandon = timer.cancel

    # Errors

    def _answer_error(self, rule: Rule) -> Answer:
        fault = rule.fault
        place = place_of(fault, self._api.key, self._version)
        code = fault.code_for(self._api.key)
        names = self._services.partitions.topic_name
        selection = Selection(fault.topic, fault.partition, fault.group, fault.transactional_id, names)

        def put(response: Any) -> Any:
            if self._api.key == ApiKey.FETCH:
                self._list_unlisted(response, selection)
            put_errors(response, self._version, cast("str", place), code, selection)
            return response

        if fault.acting or self._api.key in _READS:
            return self._answer_after_acting(put)
        struck, rest = split(self._request, self._version, selection)
        error = put(blank_response(self._api, struck, self._version))
        if rest is None:
            answer: Answer = error
        else:
            handled = self._api.handle(rest, self._context, self._services)
            answer = _then(handled, lambda response: _merged(response, error, self._version))
        if self._expects_no_answer:
            self._context.close_connection(_REASON)
            return None
        return answer

    def _answer_after_acting(self, put: Callable[[Any], Any]) -> Answer:
        if self._api.key == ApiKey.FETCH:
            # A fetch that meets an error does not wait.
            self._request.max_wait_ms = 0
        answer = _then(self.act(), put)
        if answer is None and self._expects_no_answer:
            self._context.close_connection(_REASON)
        return answer

    @property
    def _expects_no_answer(self) -> bool:
        return self._api.key == ApiKey.PRODUCE and self._request.acks == 0

    def _list_unlisted(self, response: FetchResponse, selection: Selection) -> None:
        """Let a fetch tell of what is hit also where its session has nothing new to say of it."""
        request: FetchRequest = self._request
        told = {
            (selection.topic_name(topic.topic_id) or topic.topic, partition.partition_index)
            for topic in response.responses
            for partition in topic.partitions
        }
        session = self._services.fetch_sessions.get(response.session_id or request.session_id)
        for each in () if session is None else session.partitions.values():
            if (each.topic, each.partition) not in told and not (
                selection.excludes("topic", each.topic) or selection.excludes("partition", each.partition)
            ):
                data = PartitionData(partition_index=each.partition)
                response.responses.append(
                    FetchableTopicResponse(topic=each.topic or "", topic_id=each.topic_id, partitions=[data])
                )


def _merged(response: Any, error: Any, version: int) -> Any:
    merge(response, error, version)
    return response


def _never(answer: Answer) -> Deferred[Any]:
    """An answer that never comes; when the client gives up, so does whoever works on the real one."""
    never: Deferred[Any] = Deferred()
    if isinstance(answer, Deferred):
        never.on_abandon = answer.abandon
    return never


def _when_there(answer: Message | Deferred[Any], go_on: Callable[[Any], None]) -> None:
    if isinstance(answer, Deferred):
        answer.when_complete(go_on)
    else:
        go_on(answer)


def _then(answer: Answer, change: Callable[[Any], Any]) -> Answer:
    """An answer with a change made to it, once it is there."""
    if answer is None or not isinstance(answer, Deferred):
        return None if answer is None else cast("Message", change(answer))
    changed: Deferred[Any] = Deferred()
    changed.on_abandon = answer.abandon
    answer.when_complete(lambda response: changed.complete(change(response)))
    return changed
