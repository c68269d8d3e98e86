"""Regular expressions that members of a consumer group subscribe to (KIP-848's server side of patterns).

An expression is checked when the first member brings it, and resolved, for the whole group at once, after the answer
to that member is written; again when topics have appeared or the refresh interval has passed, at most every ten
seconds (Kafka's `maybeUpdateRegularExpressions`).
"""

from __future__ import annotations

from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from ...protocol.errors import ErrorCode
from .consumer_group import ConsumerGroup
from .consumer_records import epoch_record, regex_record, regex_tombstone
from .consumer_subscriptions import UNRESOLVED, ResolvedRegex
from .group_effects import Append, Effect, Moment
from .group_refusal import GroupRefusal
from .group_topics import NEVER
from .topic_patterns.pattern import PatternError, TopicPattern

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .consumer_member import ConsumerMember
    from .consumer_subscriptions import Subscriptions
    from .group_context import GroupContext
    from .group_records import GroupRecord

REFRESH_INTERVAL_MS_MIN = 10_000
"""However many topics appear, a group's expressions are not resolved more often."""
_NEVER_RESOLVED = ResolvedRegex(frozenset(), 0, -REFRESH_INTERVAL_MS_MIN - 1)


class RegexChange(Enum):
    """What a request did to a member's expression."""

    NONE = "none"
    UNRESOLVED = "another one, which is not resolved yet"
    RESOLVED = "another one, of which the group knows the topics, or none"


class RegexUpdate(NamedTuple):
    """The change, its records, and the expressions that must be resolved now."""

    change: RegexChange
    records: list[GroupRecord]
    to_resolve: frozenset[str]


def change_regex(
    context: GroupContext, group: ConsumerGroup, old: ConsumerMember, new: ConsumerMember, now: Moment
) -> RegexUpdate:
    """Note a member's expression. Raises GroupRefusal for one that is none."""
    subscriptions = group.subscriptions
    change = RegexChange.NONE
    records = []
    is_first = False
    if old.topic_regex != new.topic_regex:
        change, is_first = _change(group, old.topic_regex, new.topic_regex)
        if old.topic_regex and subscriptions.members_by_regex.get(old.topic_regex) == 1:
            records.append(regex_tombstone(group.group_id, old.topic_regex))
    if not is_first and not subscriptions.members_by_regex:
        return RegexUpdate(change, records, frozenset())
    return RegexUpdate(change, records, _due(context, group, old, new, now, is_first=is_first))


def _change(group: ConsumerGroup, old: str | None, new: str | None) -> tuple[RegexChange, bool]:
    """What the change is, and whether the expression is new to the group."""
    if not new:
        return RegexChange.RESOLVED if old else RegexChange.UNRESOLVED, False
    if new not in group.subscriptions.members_by_regex:
        check_regex(new)
        return RegexChange.UNRESOLVED, True
    return RegexChange.RESOLVED if new in group.subscriptions.resolved else RegexChange.UNRESOLVED, False


def check_regex(regex: str) -> None:
    """Raise GroupRefusal unless it is a regular expression in RE2's syntax."""
    try:
        TopicPattern(regex)
    except PatternError as error:
        raise GroupRefusal(
            ErrorCode.INVALID_REGULAR_EXPRESSION,
            f"SubscribedTopicRegex `{regex}` is not a valid regular expression: {error.description}.",
        ) from error


def _due(
    context: GroupContext,
    group: ConsumerGroup,
    old: ConsumerMember,
    new: ConsumerMember,
    now: Moment,
    *,
    is_first: bool,
) -> frozenset[str]:
    """The expressions to resolve now: all of the group's, or none."""
    subscriptions = group.subscriptions
    ahead = subscriptions
    if old.topic_regex != new.topic_regex:
        ahead = subscriptions.copy()
        ahead.replace(old, new)
    is_due = is_refresh_due(context, ahead, now, is_wanted=is_first)
    return frozenset(ahead.members_by_regex) if is_due else frozenset()


def is_refresh_due(
    context: GroupContext, subscriptions: Subscriptions, now: Moment, *, is_wanted: bool = False
) -> bool:
    """Whether the expressions must be resolved: one never was, topics have appeared, or the last time is long ago."""
    last = next(iter(subscriptions.resolved.values()), _NEVER_RESOLVED)
    if now.wall_ms <= last.resolved_ms + REFRESH_INTERVAL_MS_MIN:
        return False
    return (
        is_wanted
        or len(subscriptions.members_by_regex) != len(subscriptions.resolved)
        or last.version < context.topics.newest_version
        or now.wall_ms > last.resolved_ms + context.consumer_settings.regex_refresh_interval_ms
    )


def resolve(context: GroupContext, group_id: str, regexes: Iterable[str], now: Moment) -> list[Effect]:
    """Find the topics of a group's expressions, and begin a new epoch when they are others than before."""
    group = context.groups.get(group_id)
    if not isinstance(group, ConsumerGroup):
        return []
    subscriptions = group.subscriptions.copy()
    records = []
    bump = False
    for regex in sorted(regexes):
        if regex not in subscriptions.members_by_regex:
            continue
        resolved = ResolvedRegex(_matching(context, regex), context.image.last_offset, now.wall_ms)
        bump |= subscriptions.resolved.get(regex, UNRESOLVED).topics != resolved.topics
        subscriptions.resolve(regex, resolved)
        records.append(regex_record(group_id, regex, resolved))
    metadata_hash = context.topics.hash_of(subscriptions.topics)
    if bump or metadata_hash != group.metadata_hash:
        records.append(epoch_record(group_id, group.epoch + 1, metadata_hash))
    if not records:
        return []
    return [Append(tuple(records), list, partial(_unwritten, group))]


def _matching(context: GroupContext, regex: str) -> frozenset[str]:
    try:
        pattern = TopicPattern(regex)
    except PatternError:
        return frozenset()  # a record of another broker holds it: it was valid there
    return frozenset(name for name in context.image.topics_by_name if pattern.matches(name))


def _unwritten(group: ConsumerGroup, _: ErrorCode) -> list[Effect]:
    """The next heartbeat finds the same again."""
    group.topics_seen = NEVER
    return []
