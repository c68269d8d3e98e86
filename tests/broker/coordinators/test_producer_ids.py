"""Producer ids: in order, block after block, none twice."""

from __future__ import annotations

import pytest
from ottla.broker.coordinators.producer_ids import ProducerIds


def test_ids_follow_each_other_over_the_ends_of_blocks():
    blocks = iter([range(1000, 1003), range(5000, 5002)])
    ids = ProducerIds(lambda: next(blocks))
    assert [ids.next_id() for _ in range(5)] == [1000, 1001, 1002, 5000, 5001]


def test_a_block_is_asked_for_only_when_it_is_needed():
    asked = []

    def allocate():
        asked.append(len(asked))
        return range(10)

    ids = ProducerIds(allocate)
    assert not asked
    for _ in range(10):
        ids.next_id()
    assert len(asked) == 1


def test_a_block_that_cannot_be_had_is_asked_for_again():
    answers = iter([OSError("no space"), range(7, 9)])

    def allocate():
        answer = next(answers)
        if isinstance(answer, OSError):
            raise answer
        return answer

    ids = ProducerIds(allocate)
    with pytest.raises(OSError, match="no space"):
        ids.next_id()
    assert ids.next_id() == 7
