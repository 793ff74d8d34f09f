//! Creates the tables of customers, addresses, items, orders and order lines.
//!
//! Every step can be repeated: MySQL commits each one implicitly, so a crash may leave some applied.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

use crate::schema::{create_index, id, name, table, utc_micros};

/// Migration of this module.
#[derive(DeriveMigrationName)]
pub struct Migration;

#[derive(DeriveIden)]
enum Address {
    Table,
    Id,
    FlatNumber,
    PostCode,
}

#[derive(DeriveIden)]
enum Customer {
    Table,
    Id,
    Name,
    AddressId,
}

#[derive(DeriveIden)]
enum Item {
    Table,
    Id,
    Name,
    PriceCents,
    Description,
}

#[derive(DeriveIden)]
enum Orders {
    Table,
    Id,
    CustomerId,
    OrderTime,
}

#[derive(DeriveIden)]
enum OrderItems {
    Table,
    OrderId,
    ItemId,
    Quantity,
    UnitPriceCents,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        manager.create_table(address(backend)).await?;
        manager.create_table(customer(backend)).await?;
        manager.create_table(item(backend)).await?;
        manager.create_table(orders(backend)).await?;
        manager.create_table(order_items(backend)).await?;
        for (name, table, columns) in indexes() {
            create_index(manager, name, table, columns).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let children_first = [
            OrderItems::Table.into_iden(),
            Orders::Table.into_iden(),
            Item::Table.into_iden(),
            Customer::Table.into_iden(),
            Address::Table.into_iden(),
        ];
        for table in children_first {
            manager.drop_table(Table::drop().table(table).if_exists().take()).await?;
        }
        Ok(())
    }
}

fn address(backend: DbBackend) -> TableCreateStatement {
    table(backend, Address::Table)
        .col(id(Address::Id))
        .col(ColumnDef::new(Address::FlatNumber).integer().not_null())
        .col(ColumnDef::new(Address::PostCode).integer().not_null())
        .take()
}

fn customer(backend: DbBackend) -> TableCreateStatement {
    table(backend, Customer::Table)
        .col(id(Customer::Id))
        .col(name(backend, Customer::Name))
        .col(ColumnDef::new(Customer::AddressId).big_integer().not_null().unique_key())
        .foreign_key(
            ForeignKey::create()
                .name("fk_customer_address")
                .from(Customer::Table, Customer::AddressId)
                .to(Address::Table, Address::Id),
        )
        .take()
}

fn item(backend: DbBackend) -> TableCreateStatement {
    table(backend, Item::Table)
        .col(id(Item::Id))
        .col(name(backend, Item::Name))
        .col(ColumnDef::new(Item::PriceCents).big_integer().not_null())
        .col(ColumnDef::new(Item::Description).string_len(2000))
        .check(Expr::col(Item::PriceCents).gte(0))
        .take()
}

fn orders(backend: DbBackend) -> TableCreateStatement {
    table(backend, Orders::Table)
        .col(id(Orders::Id))
        .col(ColumnDef::new(Orders::CustomerId).big_integer().not_null())
        .col(utc_micros(backend, Orders::OrderTime))
        .foreign_key(
            ForeignKey::create()
                .name("fk_orders_customer")
                .from(Orders::Table, Orders::CustomerId)
                .to(Customer::Table, Customer::Id),
        )
        .take()
}

fn order_items(backend: DbBackend) -> TableCreateStatement {
    table(backend, OrderItems::Table)
        .col(ColumnDef::new(OrderItems::OrderId).big_integer().not_null())
        .col(ColumnDef::new(OrderItems::ItemId).big_integer().not_null())
        .col(ColumnDef::new(OrderItems::Quantity).integer().not_null())
        .col(ColumnDef::new(OrderItems::UnitPriceCents).big_integer().not_null())
        .primary_key(Index::create().col(OrderItems::OrderId).col(OrderItems::ItemId))
        .foreign_key(
            ForeignKey::create()
                .name("fk_order_items_orders")
                .from(OrderItems::Table, OrderItems::OrderId)
                .to(Orders::Table, Orders::Id),
        )
        .foreign_key(
            ForeignKey::create()
                .name("fk_order_items_item")
                .from(OrderItems::Table, OrderItems::ItemId)
                .to(Item::Table, Item::Id),
        )
        .check(Expr::col(OrderItems::Quantity).gt(0))
        .check(Expr::col(OrderItems::UnitPriceCents).gte(0))
        .take()
}

fn indexes() -> [(&'static str, DynIden, Vec<DynIden>); 7] {
    [
        (
            "ix_customer_name",
            Customer::Table.into_iden(),
            vec![Customer::Name.into_iden(), Customer::Id.into_iden()],
        ),
        (
            "ix_item_name",
            Item::Table.into_iden(),
            vec![Item::Name.into_iden(), Item::Id.into_iden()],
        ),
        (
            "ix_item_price_cents",
            Item::Table.into_iden(),
            vec![Item::PriceCents.into_iden(), Item::Id.into_iden()],
        ),
        (
            "ix_orders_customer_id",
            Orders::Table.into_iden(),
            vec![Orders::CustomerId.into_iden(), Orders::Id.into_iden()],
        ),
        (
            "ix_orders_customer_id_order_time",
            Orders::Table.into_iden(),
            vec![
                Orders::CustomerId.into_iden(),
                Orders::OrderTime.into_iden(),
                Orders::Id.into_iden(),
            ],
        ),
        (
            "ix_orders_order_time",
            Orders::Table.into_iden(),
            vec![Orders::OrderTime.into_iden(), Orders::Id.into_iden()],
        ),
        (
            "ix_order_items_item_id",
            OrderItems::Table.into_iden(),
            vec![OrderItems::ItemId.into_iden()],
        ),
    ]
}
