"""Plays a case on a broker, and writes down what was answered."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from ottla.protocol.errors import ProtocolError
from ottla.protocol.schema import Message

from ..wire import Closed, Frame, Unreadable, frame_of, response_of
from .case import Answer, At, On, Once, Parked, RawBody, Unanswered
from .normalise import Normaliser
from .world import MOMENTARY, READY_TIMEOUT_S, NeverTrue, World, codes_in

if TYPE_CHECKING:
    from ..brokers import Broker
    from .case import Case

_RETRY_S = 0.02
CLOSED = "the connection was closed"
NO_ANSWER = "no answer in time"
NEVER = "waited for in vain"


class NotInThisVersion(Exception):
    """The version under test has no place for what the case sets."""


class Step(NamedTuple):
    """One exchange: what was asked, and the answer as plain data."""

    asked: str
    answered: Any
    errors: frozenset[int] = frozenset()
    """The error codes in the answer, as they came."""


class Stage(NamedTuple):
    """A broker with the names that one run uses on it."""

    broker: Broker
    highest: dict[int, int]
    """The version of each API in which preparations and side steps are sent."""
    namespace: str
    patience_s: float = READY_TIMEOUT_S
    """How long to wait for what does not come at once."""


def play(case: Case, version: int, stage: Stage) -> list[Step]:
    """The transcript of a case. Raises NotInThisVersion."""
    prefix = f"{stage.namespace}{case.module}-{case.name}-{version}-".replace("_", "-")
    world = World(stage.broker, stage.highest, prefix, version, stage.patience_s)
    player = _Player(case, version, world, stage)
    try:
        return player.play()
    finally:
        world.close()


class _Player:
    def __init__(self, case: Case, version: int, world: World, stage: Stage) -> None:
        self._case = case
        self._version = version
        self._world = world
        self._stage = stage
        self._normaliser = Normaliser(world)
        self._parked: dict[str, Frame] = {}
        self._steps: list[Step] = []

    def play(self) -> list[Step]:
        script = self._case.script(self._world)
        answer = None
        while True:
            try:
                wanted = script.send(answer)
            except StopIteration:
                return self._steps
            except NeverTrue as error:
                return [*self._steps, Step(str(error), NEVER)]
            answer = self._step(wanted)

    def _step(self, wanted: Any) -> Any:
        if isinstance(wanted, Answer):
            frame = self._parked.pop(wanted.on)
            return self._note(wanted.on, frame, lambda: self._world.connection(wanted.on).receive(frame))
        on, frame, retries = self._frame(wanted)
        connection = self._world.connection(on)
        if isinstance(wanted, (Parked, Unanswered)):
            connection.send(frame)
            if isinstance(wanted, Parked):
                self._parked[on] = frame
            return None
        if retries:
            return self._note(on, frame, lambda: _settled(connection, frame, self._stage.patience_s))
        return self._note(on, frame, lambda: connection.exchange(frame))

    def _note(self, on: str, frame: Frame, exchange: Any) -> Any:
        answer = None
        try:
            answer = exchange()
            said = self._normaliser.answer(answer, frame.answer_version)
        except Closed:
            said = CLOSED
        except Unreadable as error:
            said = f"unreadable: {error}"
        except TimeoutError:
            said = NO_ANSWER
            self._world.connection(on).close()
        at = f" on {on}" if on else ""
        assert frame.answer is not None
        errors = frozenset() if answer is None else frozenset(codes_in(answer))
        self._steps.append(Step(f"{frame.answer.__name__} v{frame.answer_version}{at}", said, errors))
        return answer

    def _frame(self, wanted: Any) -> tuple[str, Frame, bool]:
        """The connection's name, the frame, and whether it is asked again while the answer says so."""
        match wanted:
            case RawBody(request, version, body):
                answer = response_of(request)
                return "", Frame(request.api_key, version, body, version in request.flexible, answer, version), False
            case At(request, version):
                return "", frame_of(request, version), True
            case Once(request) | Unanswered(request):
                return "", self._framed(request), False
            case On(on, request) | Parked(on, request):
                return on, self._framed(request), isinstance(wanted, On)
            case Message():
                return "", self._framed(wanted), True
        raise TypeError(f"a case yields requests, not {wanted!r}")

    def _framed(self, request: Message) -> Frame:
        if type(request) is not self._case.api:
            return frame_of(request, self._stage.highest[request.api_key])
        try:
            return frame_of(request, self._version)
        except ProtocolError as error:
            if "does not carry" in str(error) or "cannot carry" in str(error):
                raise NotInThisVersion(str(error)) from error
            raise


def _settled(connection: Any, frame: Frame, patience_s: float) -> Message:
    """The first answer that does not ask to try again."""
    deadline = time.monotonic() + patience_s
    while True:
        answer: Message = connection.exchange(frame)
        if not codes_in(answer) & MOMENTARY or time.monotonic() > deadline:
            return answer
        time.sleep(_RETRY_S)
