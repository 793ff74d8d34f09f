"""The marketplace's tables as mapped classes; the schema itself is made by marketsvc's migrations."""

from datetime import datetime
from typing import Annotated

from sqlalchemy import BigInteger, ColumnElement, DateTime, Dialect, ForeignKey, String, TypeDecorator
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

# 64 bits: asyncpg casts parameters to the mapped type, and INTEGER would refuse what the columns hold.
BigInt = Annotated[int, mapped_column(BigInteger)]
BigId = Annotated[int, mapped_column(BigInteger, primary_key=True)]


class SqliteDateTime(TypeDecorator[datetime]):
    """Naive UTC as `2024-03-18 10:30:00[.123[456]]`.

    SQLite compares times as text. SQLAlchemy's own type always writes six digits, which sort after the same
    moment without any, so equal times would not be equal.
    """

    impl = String
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        whole_millis = value.microsecond and value.microsecond % 1000 == 0
        return value.isoformat(" ", "milliseconds" if whole_millis else "auto")

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        return None if value is None else datetime.fromisoformat(value)


class Base(DeclarativeBase):
    """Relationships are `lazy="raise"`: every query says what it loads, and no load happens by accident."""

    type_annotation_map = {datetime: DateTime().with_variant(SqliteDateTime(), "sqlite")}


class Address(Base):
    __tablename__ = "address"

    id: Mapped[BigId]
    flat_number: Mapped[int]
    post_code: Mapped[int]


class Customer(Base):
    __tablename__ = "customer"

    id: Mapped[BigId]
    name: Mapped[str] = mapped_column(String(200))
    address_id: Mapped[BigInt] = mapped_column(ForeignKey("address.id"), unique=True)

    address: Mapped[Address] = relationship(lazy="raise")


class Item(Base):
    __tablename__ = "item"

    id: Mapped[BigId]
    name: Mapped[str] = mapped_column(String(200))
    price_cents: Mapped[BigInt]
    description: Mapped[str | None] = mapped_column(String(2000))


class Order(Base):
    __tablename__ = "orders"

    id: Mapped[BigId]
    customer_id: Mapped[BigInt] = mapped_column(ForeignKey("customer.id"))
    order_time: Mapped[datetime]

    customer: Mapped[Customer] = relationship(lazy="raise")
    lines: Mapped[list["OrderItem"]] = relationship(order_by="OrderItem.item_id", lazy="raise")


class OrderItem(Base):
    """A line of an order; it keeps the price that the item had when the order was placed."""

    __tablename__ = "order_items"

    order_id: Mapped[BigId] = mapped_column(ForeignKey("orders.id"))
    item_id: Mapped[BigId] = mapped_column(ForeignKey("item.id"))
    quantity: Mapped[int]
    unit_price_cents: Mapped[BigInt]

    item: Mapped[Item] = relationship(lazy="raise")

    @hybrid_property
    def total_cents(self) -> int:
        """Unit price × quantity of a loaded line."""
        return self.unit_price_cents * self.quantity

    @total_cents.inplace.expression
    @classmethod
    def _total_cents(cls) -> ColumnElement[int]:
        """The same inside SQL."""
        return cls.unit_price_cents * cls.quantity
