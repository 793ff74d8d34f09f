//! Orders: placing them, adding them up.

mod lines;
mod place;
mod read;
mod total;

use chrono::{DateTime, Utc};
use entity::Money;
pub use place::{MAX_LINES, NewLine, NewOrder, place};
pub use read::{Expand, OrderField, OrderFilter, get, list, list_of_customer};
use serde::Serialize;
pub use total::{MAX_TOTALS, total, totals};
use utoipa::ToSchema;

use crate::{customers::Address, idempotency::Identified, items::Item};

/// An order with its lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Order {
    /// Its id.
    #[schema(example = 1)]
    pub id: i64,
    /// Who placed it.
    #[schema(example = 1)]
    pub customer_id: i64,
    /// The same, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer: Option<OrderCustomer>,
    /// When: UTC, to the microsecond.
    pub order_time: DateTime<Utc>,
    /// What was ordered, by item id.
    pub items: Vec<Line>,
    /// What the lines come to.
    pub total: Money,
}

impl Identified for Order {
    fn id(&self) -> i64 {
        self.id
    }
}

/// Who placed an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct OrderCustomer {
    /// Their id.
    #[schema(example = 1)]
    pub id: i64,
    /// What they are called.
    #[schema(example = "Kit Kat")]
    pub name: String,
    /// Where they live, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
}

/// So many of one item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Line {
    /// The item.
    #[schema(example = 2)]
    pub item_id: i64,
    /// What it is called.
    #[schema(example = "Kit Kat")]
    pub name: String,
    /// How many.
    #[schema(example = 4)]
    pub quantity: i32,
    /// The item's price when the order was placed.
    pub unit_price: Money,
    /// `unit_price` × `quantity`
    pub item_total: Money,
    /// The item as it is today, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item: Option<Item>,
}
