//! Orders: placing them, adding them up.

mod place;
mod total;

use chrono::{DateTime, Utc};
use entity::Money;
pub use place::{MAX_LINES, NewLine, NewOrder, place};
use serde::Serialize;
pub use total::{MAX_TOTALS, total, totals};

/// An order with its lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Order {
    /// Its id.
    pub id: i64,
    /// Who placed it.
    pub customer_id: i64,
    /// When: UTC, to the microsecond.
    pub order_time: DateTime<Utc>,
    /// What was ordered, by item id.
    pub items: Vec<Line>,
    /// What the lines come to.
    pub total: Money,
}

/// So many of one item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The item.
    pub item_id: i64,
    /// What it is called.
    pub name: String,
    /// How many.
    pub quantity: i32,
    /// The item's price when the order was placed.
    pub unit_price: Money,
    /// `unit_price` × `quantity`
    pub item_total: Money,
}
