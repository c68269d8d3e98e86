"""ElectLeaders. All topics together are not asked about: other cases make some meanwhile."""

from __future__ import annotations

from ottla.protocol.messages.elect_leaders import ElectLeadersRequest, TopicPartitions

from ..case import versions

API = ElectLeadersRequest


def _request(*topics, **fields):
    wanted = [TopicPartitions(topic=name, partitions=list(indexes)) for name, indexes in topics]
    return ElectLeadersRequest(topic_partitions=wanted, **fields)


def who_leads_already(w):
    yield _request((w.topic(partitions=2).name, [0, 1, 0]))


@versions("1+")
def an_unclean_election(w):
    yield _request((w.topic().name, [0]), election_type=1)


@versions("1+")
def elections_that_are_not_there(w):
    topic = w.topic()
    for election_type in (2, -1):
        yield _request((topic.name, [0, 9]), (w.name("none"), []), election_type=election_type)
        yield _request(election_type=election_type)
        yield ElectLeadersRequest(topic_partitions=None, election_type=election_type)


def what_is_not_there(w):
    topic = w.topic()
    yield _request((topic.name, [9, -1]), (w.name("none"), [0]), ("", [0]))


def a_topic_twice(w):
    topic = w.topic(partitions=2)
    yield _request((topic.name, [0]), (topic.name, [0]))


def nothing(w):
    yield _request()
    yield _request((w.topic().name, []))
