//! Demo data: the tutorial's rows, with their ids.

use chrono::{NaiveDate, NaiveDateTime};
use entity::{Money, address, customer, item, order_items, orders};
use sea_orm::DatabaseTransaction;

use super::refuse_unless_empty;
use crate::{Database, Result, bulk_load::insert};

/// Inserts the tutorial's rows into an empty database.
///
/// # Errors
/// [`crate::Error::NotEmpty`]
pub async fn demo(db: &Database) -> Result<()> {
    db.write(|txn| Box::pin(insert_all(txn))).await
}

async fn insert_all(txn: &DatabaseTransaction) -> Result<()> {
    refuse_unless_empty(txn).await?;
    insert::<address::Entity>(txn, &addresses()).await?;
    insert::<customer::Entity>(txn, &customers()).await?;
    insert::<item::Entity>(txn, &items()).await?;
    insert::<orders::Entity>(txn, &orders()).await?;
    insert::<order_items::Entity>(txn, &lines()).await
}

fn addresses() -> Vec<address::Model> {
    [(1, 101, 10001), (2, 201, 10002), (3, 301, 10003)]
        .map(|(id, flat_number, post_code)| address::Model { id, flat_number, post_code })
        .into()
}

fn customers() -> Vec<customer::Model> {
    [(1, "Alex"), (2, "Blake"), (3, "Cam")]
        .map(|(id, name)| customer::Model { id, name: name.to_owned(), address_id: id })
        .into()
}

fn items() -> Vec<item::Model> {
    [
        (1, "Milk", 500, "1L bottle of milk"),
        (2, "Kit Kat", 100, "a chocolate"),
        (3, "Bread", 1050, "a loaf of bread"),
        (4, "Onion", 200, "an onion"),
    ]
    .map(|(id, name, cents, description)| item::Model {
        id,
        name: name.to_owned(),
        price_cents: Money::from_cents(cents),
        description: Some(description.to_owned()),
    })
    .into()
}

fn orders() -> Vec<orders::Model> {
    [(1, 1, (18, 10, 30)), (2, 3, (20, 11, 0)), (3, 2, (25, 15, 0))]
        .map(|(id, customer_id, time)| orders::Model { id, customer_id, order_time: march(time) })
        .into()
}

/// Returns a time in March 2024, UTC.
fn march((day, hour, minute): (u32, u32, u32)) -> NaiveDateTime {
    NaiveDate::from_ymd_opt(2024, 3, day)
        .and_then(|date| date.and_hms_opt(hour, minute, 0))
        .unwrap_or_default()
}

fn lines() -> Vec<order_items::Model> {
    [(1, 2, 4, 100), (1, 3, 2, 1050), (1, 1, 1, 500), (2, 2, 2, 100), (2, 4, 5, 200)]
        .map(|(order_id, item_id, quantity, cents)| order_items::Model {
            order_id,
            item_id,
            quantity,
            unit_price_cents: Money::from_cents(cents),
        })
        .into()
}
