"""Instances of the service in threads, and the shop around them."""

from __future__ import annotations

import threading

import pytest

from .messages import Order
from .processing import UnknownItem, WarehouseUnavailable
from .service import OrdersService, Replaced, Settings

TIMEOUT_S = 60
JOIN_TIMEOUT_S = 90


class ShopWarehouse:
    """Knows prices; can be closed."""

    def __init__(self) -> None:
        self.prices_cents = {"espresso": 250, "tea": 300}
        self.is_open = True

    def price_cents(self, item: str) -> int:
        if not self.is_open:
            raise WarehouseUnavailable("the warehouse is closed")
        if item not in self.prices_cents:
            raise UnknownItem(f"no {item}")
        return self.prices_cents[item]


class Instance:
    """A service that runs in a thread."""

    def __init__(self, service: OrdersService) -> None:
        self._stop = threading.Event()
        self.was_replaced = threading.Event()
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(service,))
        self._thread.start()

    def _run(self, service: OrdersService) -> None:
        try:
            service.run(self._stop)
        except Replaced:
            self.was_replaced.set()
        except BaseException as failure:  # noqa: BLE001 - it is raised in the test
            self.failure = failure

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(JOIN_TIMEOUT_S)
        assert not self._thread.is_alive()
        if self.failure is not None:
            raise self.failure


@pytest.fixture
def warehouse() -> ShopWarehouse:
    return ShopWarehouse()


@pytest.fixture
def start_service(kafka, warehouse):
    """A function that starts an instance, on the broker's clock: start_service("orders-2", session_timeout_ms=6000)."""
    instances = []

    def start(instance: str = "orders-1", **options) -> Instance:
        settings = Settings(kafka.bootstrap_servers, instance, **options)
        instances.append(Instance(OrdersService(settings, warehouse, kafka.clock.now_ms)))
        return instances[-1]

    yield start
    kafka.faults.clear()
    for instance in instances:
        instance.stop()


@pytest.fixture
def order(kafka):
    """A function that places an order as the shop does: order("1", "espresso", 2)."""

    def place(order_id: str, item: str = "espresso", quantity: int = 1, *, partition: int | None = None) -> None:
        value = Order(order_id, item, quantity).to_json()
        kafka.produce("orders", value, key=order_id, partition=partition)

    return place
