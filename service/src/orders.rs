//! Orders: reading them with their lines, adding them up, placing them.

mod place;
mod read;
mod total;

use chrono::{DateTime, Utc};
use entity::Money;
pub use place::{MAX_LINES, NewLine, NewOrder, place};
pub use read::{of_customer, stream_between};
use serde::Serialize;
pub use total::{MAX_TOTALS, total, totals};

use crate::{Error, Result};

/// An order with its customer and its lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Order {
    /// Its id.
    pub order_id: i64,
    /// Who placed it.
    pub customer: Customer,
    /// When: UTC, to the microsecond.
    pub order_time: DateTime<Utc>,
    /// What was ordered, by item id.
    pub items: Vec<Line>,
}

/// Who placed an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, sea_orm::DerivePartialModel)]
#[sea_orm(entity = "entity::customer::Entity")]
pub struct Customer {
    /// What they are called.
    pub name: String,
}

/// So many of one item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The item's name.
    pub name: String,
    /// The item's price when the order was placed.
    pub price: Money,
    /// How many.
    pub quantity: i32,
    /// `price` × `quantity`
    pub total: Money,
}

impl Line {
    fn new(name: String, line: &entity::order_items::Model) -> Result<Self> {
        let total = line.item_total().ok_or_else(|| {
            Error::AmountOutOfRange(format!("order {}, item {}", line.order_id, line.item_id))
        })?;
        Ok(Self { name, price: line.unit_price_cents, quantity: line.quantity, total })
    }
}
