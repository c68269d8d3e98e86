"""DescribeTransactions."""

from __future__ import annotations

from ottla.protocol.messages.describe_transactions import DescribeTransactionsRequest

from ..transaction_requests import begun

API = DescribeTransactionsRequest


def one_that_is_open(w):
    name, _, _ = begun(w)
    yield DescribeTransactionsRequest(transactional_ids=[name])


def one_that_never_began(w):
    name = w.transactional_id()
    w.producer(name, timeout_ms=12_345)
    yield DescribeTransactionsRequest(transactional_ids=[name])


def what_is_not_there(w):
    yield DescribeTransactionsRequest(transactional_ids=[w.transactional_id("none"), ""])


def nothing(w):
    yield DescribeTransactionsRequest()


def the_same_twice(w):
    name = w.transactional_id()
    w.producer(name)
    yield DescribeTransactionsRequest(transactional_ids=[name, name])
