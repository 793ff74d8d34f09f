"""Mapped classes of the marketplace's tables; marketsvc's migrations create the schema."""

from datetime import datetime
from typing import Annotated

from sqlalchemy import BigInteger, ColumnElement, DateTime, Dialect, ForeignKey, String, TypeDecorator
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

# BIGINT: asyncpg casts parameters to the mapped type, and INTEGER would reject ids beyond 32 bits.
BigInt = Annotated[int, mapped_column(BigInteger)]
BigId = Annotated[int, mapped_column(BigInteger, primary_key=True)]


class SqliteDateTime(TypeDecorator[datetime]):
    """Naive UTC time, stored as `2024-03-18 10:30:00[.123[456]]`.

    SQLite compares times as text. SQLAlchemy's own type always writes six fractional digits, so the same time
    stored without a fraction would compare as different.
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
    """Declarative base. Relationships are `lazy="raise"`, so every query states which relations it loads."""

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
    """Order line with the unit price at the time of the order."""

    __tablename__ = "order_items"

    order_id: Mapped[BigId] = mapped_column(ForeignKey("orders.id"))
    item_id: Mapped[BigId] = mapped_column(ForeignKey("item.id"))
    quantity: Mapped[int]
    unit_price_cents: Mapped[BigInt]

    item: Mapped[Item] = relationship(lazy="raise")

    @hybrid_property
    def total_cents(self) -> int:
        """Returns unit price × quantity of a loaded line."""
        return self.unit_price_cents * self.quantity

    @total_cents.inplace.expression
    @classmethod
    def _total_cents(cls) -> ColumnElement[int]:
        """Returns the same product as an SQL expression."""
        return cls.unit_price_cents * cls.quantity
