"""Definitions of the datasets and the benchmarks."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass

from load import Request
from servers import Server

ITEMS = 1000


@dataclass
class Dataset:
    """Row counts of a database; the defaults mean the tutorial's data."""

    customers: int = 0
    orders: int = 0

    @property
    def seed(self) -> list[str]:
        if not self.customers:
            return ["demo"]
        rows = {"customers": self.customers, "items": ITEMS, "orders": self.orders, "seed": 1}
        return ["generate", *(f"--{name}={number}" for name, number in rows.items())]


DATASETS = {
    "demo": Dataset(),
    "10k": Dataset(customers=1_000, orders=10_000),
    "100k": Dataset(customers=100_000, orders=100_000),
    "1m": Dataset(customers=1_000_000, orders=1_000_000),
}


@dataclass
class Work:
    """Benchmark of short concurrent requests; `requests` may query the server to build them."""

    name: str
    title: str
    dataset: str
    requests: Callable[[Server, Dataset], list[Request]]
    connections: int = 16
    pgbench: str = ""
    writes: bool = False


def at(path: str):
    return lambda _server, _dataset: [Request(path)]


def random_orders(dataset: Dataset, count: int) -> list[int]:
    return [random.randint(1, dataset.orders) for _ in range(count)]


def totals(_server: Server, dataset: Dataset) -> list[Request]:
    many = (",".join(map(str, random_orders(dataset, 10))) for _ in range(500))
    return [Request(f"/api/orders_total?orders={ids}") for ids in many]


def single_orders(_server: Server, dataset: Dataset) -> list[Request]:
    expand = "expand=customer.address,items.item"
    return [Request(f"/api/v1/orders/{id}?{expand}") for id in random_orders(dataset, 2000)]


def pages(server: Server, _dataset: Dataset) -> list[Request]:
    """Requests for the first 100 pages of the list, with the cursors that the server returns."""
    found, path = [], "/api/v1/orders?limit=50"
    while path and len(found) < 100:
        found.append(Request(path))
        cursor = json.loads(server.get(path))["next_cursor"]
        path = f"/api/v1/orders?limit=50&cursor={cursor}" if cursor else ""
    random.shuffle(found)
    return found


def new_orders(_server: Server, dataset: Dataset) -> list[Request]:
    customers, items = (dataset.customers, ITEMS) if dataset.customers else (3, 4)
    return [new_order(random.randint(1, customers), items) for _ in range(1000)]


def new_order(customer: int, items: int) -> Request:
    lines = [{"id": id, "quantity": random.randint(1, 9)} for id in random.sample(range(1, items + 1), 3)]
    body = json.dumps({"customer_id": customer, "items": lines}, separators=(",", ":"))
    return Request("/api/add_new_order", "POST", body)


YEARS = "/api/orders_between_dates/2030-01-01T00:00:00Z/2000-01-01T00:00:00Z"

TUTORIAL = [
    Work("welcome", "`GET /`", "demo", at("/")),
    Work("customers", "`GET /api/customers`, 3 of them", "demo", at("/api/customers"), pgbench="customers"),
    Work("orders", "`GET /api/orders/1`", "demo", at("/api/orders/1"), pgbench="orders"),
    Work("total", "`GET /api/order_total/1`", "demo", at("/api/order_total/1"), pgbench="total"),
    Work("totals", "`GET /api/orders_total?orders=1,2,3`", "demo", at("/api/orders_total?orders=1,2,3")),
    Work("between", "`GET /api/orders_between_dates/…`, 3 orders", "demo", at(YEARS)),
    Work("place", "`POST /api/add_new_order`", "demo", new_orders, writes=True),
]

LARGER = [
    Work("totals-10", "totals of 10 orders of 10,000", "10k", totals),
    Work("page-10k", "a page of 50 orders of 10,000", "10k", pages, pgbench="page"),
    Work("single-10k", "one order of 10,000, expanded", "10k", single_orders, pgbench="single"),
]

PLACING = [
    Work(f"place-{n}", f"placing orders, {n} clients", "10k", new_orders, n, "place" if n == 16 else "", True)
    for n in (1, 16, 64)
]

MILLION = [
    Work("page-1m", "a page of 50 orders of 1,000,000", "1m", pages, pgbench="page"),
    Work("single-1m", "one order of 1,000,000, expanded", "1m", single_orders, pgbench="single"),
]


@dataclass
class Stream:
    """Benchmark of one streamed response; `peers` lists the servers that it measures."""

    name: str
    title: str
    dataset: str
    path: str
    peers: tuple[str, ...] = ("marketsvc", "sqlx", "fastapi")


STREAMS = [
    Stream("stream-customers-100k", "100,000 customers", "100k", "/api/customers"),
    Stream("stream-orders-100k", "100,000 orders with lines", "100k", YEARS),
]

LONG_STREAMS = [
    Stream("stream-customers-1m", "1,000,000 customers", "1m", "/api/customers"),
    Stream("stream-orders-1m", "1,000,000 orders with lines", "1m", YEARS, ("marketsvc", "sqlx")),
]

# Benchmarks of a quick run, by database.
QUICK = {
    "sqlite": {"welcome", "orders", "total", "totals", "place", "page-10k", "single-10k", "place-16", "stream-customers-100k"},
    "postgres": {"total", "page-10k", "place-16"},
}
