//! Unit of work: a transaction that inserts, updates and deletes, and an order that is placed whole or not at all.
//!
//! `cargo run -p service --example writing`

mod support;

#[path = "writing/unit_of_work.rs"]
mod unit_of_work;

use chrono::{DateTime, Utc};
use sea_orm::TransactionTrait;
use service::{
    domain::{OrderLine, OrderLines, Quantity},
    orders::{self, NewOrder},
};
use support::{Error, demo, heading};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let demo = demo().await?;
    let now: DateTime<Utc> = "2024-04-01T12:00:00Z".parse()?;

    heading("begin once: an order and its lines are committed together");
    let order = demo.db.write(move |txn| {
        Box::pin(
            async move { Ok(unit_of_work::insert_order(txn, 1, &[(2, 4), (3, 6)], now).await?) },
        )
    });
    let order = order.await?;
    println!("order {} was placed", order.id);

    heading("savepoint: a part of the transaction is rolled back alone");
    let kept = demo.db.write(move |txn| {
        Box::pin(async move {
            let order = unit_of_work::insert_order(txn, 2, &[(1, 1)], now).await?;
            let savepoint = txn.begin().await?;
            unit_of_work::insert_order(&savepoint, 3, &[(1, 1)], now).await?;
            savepoint.rollback().await?;
            Ok(order.id)
        })
    });
    println!("order {} was kept", kept.await?);

    heading("update and delete through the active model");
    let changed = demo.db.write(|txn| {
        Box::pin(async move {
            let item = unit_of_work::insert_item(txn, "Salt", 120).await?;
            let item = unit_of_work::set_price(txn, item, 130).await?;
            unit_of_work::delete_item(txn, item.clone()).await?;
            Ok(item)
        })
    });
    // The returned model belongs to the caller: nothing expires on commit.
    println!("{} cost {}", changed.await?.name, entity::Money::from_cents(130));

    heading("the service's own form: domain types, checks, prices, one function");
    let quantity = Quantity::try_from(4)?;
    let lines = OrderLines::try_from(vec![OrderLine { item_id: 2, quantity }])?;
    let placed = orders::place(&demo.db, NewOrder { customer_id: 1, lines }, None, now).await?;
    println!("{}", placed.body);
    Ok(())
}
