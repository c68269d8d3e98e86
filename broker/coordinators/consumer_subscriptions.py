"""What the members of a consumer group subscribe to, counted: topics by name, regular expressions, and what those stand
for.

A count says without a walk over all members whether anybody reads a topic, and whether all read the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .consumer_member import ConsumerMember


class ResolvedRegex(NamedTuple):
    """The topics that a regular expression matched at one version of the metadata; `resolved_ms` is wall time."""

    topics: frozenset[str]
    version: int
    resolved_ms: int


UNRESOLVED = ResolvedRegex(frozenset(), -1, -1)


class TopicCount(NamedTuple):
    """How many members name a topic, and how many regular expressions of the group stand for it."""

    by_name: int
    by_regex: int


class Subscriptions:
    """The counts. `copy` gives one to think ahead with."""

    __slots__ = ("members_by_regex", "resolved", "topics")

    def __init__(self) -> None:
        self.topics: dict[str, TopicCount] = {}
        self.members_by_regex: dict[str, int] = {}
        self.resolved: dict[str, ResolvedRegex] = {}

    def copy(self) -> Subscriptions:
        """The same counts, to be changed apart."""
        twin = Subscriptions()
        twin.topics = dict(self.topics)
        twin.members_by_regex = dict(self.members_by_regex)
        twin.resolved = dict(self.resolved)
        return twin

    def replace(self, old: ConsumerMember | None, new: ConsumerMember | None) -> None:
        """Count a member anew: one that joins has no old self, one that leaves no new one."""
        if old is not None and new is not None and old.topic_names == new.topic_names:
            self._replace_regex(old.topic_regex, new.topic_regex)
            return
        for topic in old.topic_names if old is not None else ():
            self._count(topic, -1, 0)
        for topic in new.topic_names if new is not None else ():
            self._count(topic, 1, 0)
        self._replace_regex(None if old is None else old.topic_regex, None if new is None else new.topic_regex)

    def resolve(self, regex: str, resolved: ResolvedRegex | None) -> None:
        """Take over what a regular expression stands for; None when it has ended."""
        old = self.resolved.pop(regex, None)
        self.count_regex_topics(old.topics if old else (), -1)
        if resolved is not None:
            self.resolved[regex] = resolved
            self.count_regex_topics(resolved.topics, 1)

    def count_regex_topics(self, topics: Iterable[str], step: int) -> None:
        """Let one more or one less regular expression stand for the topics."""
        for topic in topics:
            self._count(topic, 0, step)

    def is_homogeneous(self, member_count: int) -> bool:
        """Whether all members read the same topics, as far as the counts tell."""
        if not self.members_by_regex:
            return all(count.by_name == member_count for count in self.topics.values())
        if next(iter(self.members_by_regex.values())) != member_count:
            return False
        return all(count == (0, 1) for count in self.topics.values())

    def topics_of(self, member: ConsumerMember) -> frozenset[str]:
        """The names of the topics that a member reads; an expression that is not resolved yet stands for none."""
        resolved = self.resolved.get(member.topic_regex or "")
        if resolved is None:
            return member.topic_names
        return member.topic_names | resolved.topics if member.topic_names else resolved.topics

    def _replace_regex(self, old: str | None, new: str | None) -> None:
        if old == new:
            return
        if old:
            self._count_regex(old, -1)
        if new:
            self._count_regex(new, 1)

    def _count_regex(self, regex: str, step: int) -> None:
        count = self.members_by_regex.get(regex, 0) + step
        if count > 0:
            self.members_by_regex[regex] = count
        else:
            self.members_by_regex.pop(regex, None)

    def _count(self, topic: str, names: int, regexes: int) -> None:
        known = self.topics.get(topic)
        if known is None:
            if names + regexes > 0:
                self.topics[topic] = TopicCount(names, regexes)
            return
        count = TopicCount(known.by_name + names, known.by_regex + regexes)
        if count.by_name <= 0 and count.by_regex <= 0:
            del self.topics[topic]
        else:
            self.topics[topic] = count
