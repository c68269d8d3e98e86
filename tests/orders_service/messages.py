"""What lies in the topics: orders come in as JSON, invoices go out."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


class Malformed(Exception):
    """A record that is no order; trying again will not help."""


@dataclass(frozen=True)
class Order:
    order_id: str
    item: str
    quantity: int

    def to_json(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, value: bytes | None) -> Order:
        """The order. Raises Malformed."""
        try:
            fields = json.loads(value or b"")
            order = cls(str(fields["order_id"]), str(fields["item"]), int(fields["quantity"]))
        except (ValueError, TypeError, KeyError) as error:
            raise Malformed(f"not an order: {error!r}") from error
        if order.quantity < 1:
            raise Malformed(f"a quantity of {order.quantity}")
        return order


@dataclass(frozen=True)
class Invoice:
    order_id: str
    total_cents: int

    def to_json(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, value: bytes) -> Invoice:
        return cls(**json.loads(value))
