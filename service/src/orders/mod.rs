//! Orders: placed, read, summed up.

mod joined;
mod lines;
mod place;
mod read;
mod select;
mod total;

use chrono::{DateTime, NaiveDateTime, Utc};
use entity::Money;
pub use joined::get;
pub use place::{NewOrder, place};
pub use read::{list, list_of_customer, stream};
pub use select::{Expand, OrderFilter, OrderSort};
use serde::Serialize;
pub use total::{MAX_TOTALS, total, totals};
use utoipa::ToSchema;

use crate::{
    Error, Result, customers::Address, domain::MoneySchema, idempotency::Identified, items::Item,
};

/// Order with its lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Order {
    /// Id.
    #[schema(example = 1)]
    pub id: i64,
    /// Id of the customer.
    #[schema(example = 1)]
    pub customer_id: i64,
    /// Customer, if expanded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer: Option<OrderCustomer>,
    /// Time at which the order was placed: UTC, to the microsecond.
    pub order_time: DateTime<Utc>,
    /// Lines, by item id.
    pub items: Vec<Line>,
    /// Sum of the lines.
    #[schema(value_type = MoneySchema)]
    pub total: Money,
}

impl Order {
    /// Makes an order of its id, customer and time.
    fn without_lines(
        (id, customer_id, order_time): (i64, i64, NaiveDateTime),
        customer: Option<OrderCustomer>,
    ) -> Self {
        let (order_time, items, total) = (order_time.and_utc(), Vec::new(), Money::default());
        Self { id, customer_id, customer, order_time, items, total }
    }

    /// Adds a line.
    ///
    /// # Errors
    /// [`Error::AmountOutOfRange`] if the total becomes more than [`Money::MAX`].
    fn add(&mut self, line: Line) -> Result<()> {
        let total = self.total.plus(line.item_total);
        self.total = total.ok_or_else(|| Error::AmountOutOfRange(format!("order {}", self.id)))?;
        self.items.push(line);
        Ok(())
    }
}

impl Identified for Order {
    fn id(&self) -> i64 {
        self.id
    }
}

/// Customer of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct OrderCustomer {
    /// Id.
    #[schema(example = 1)]
    pub id: i64,
    /// Name.
    #[schema(example = "Alex")]
    pub name: String,
    /// Address, if expanded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
}

/// Line of an order: the quantity of one item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Line {
    /// Id of the item.
    #[schema(example = 2)]
    pub item_id: i64,
    /// Name of the item.
    #[schema(example = "Kit Kat")]
    pub name: String,
    /// Number of pieces.
    #[schema(example = 4)]
    pub quantity: i32,
    /// Price of the item when the order was placed.
    #[schema(value_type = MoneySchema)]
    pub unit_price: Money,
    /// `unit_price` × `quantity`
    #[schema(value_type = MoneySchema)]
    pub item_total: Money,
    /// Item as it is today, if expanded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item: Option<Item>,
}
