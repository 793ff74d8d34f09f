//! Plan of generated data, and its batches.

use std::{fmt, ops::RangeInclusive};

/// Number of customers, items or orders in one transaction. Another number would generate other rows for the same seed.
const BATCH: u16 = 1000;

/// Numbers of rows to generate, and the seed.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Number of customers, each with an address.
    pub customers: u32,
    /// Number of items.
    pub items: u32,
    /// Number of orders, of 1 to 5 lines, sorted by time.
    pub orders: u32,
    /// Seed of the random number generator.
    pub seed: u64,
}

/// Ids of rows that are generated together.
pub type Ids = RangeInclusive<i64>;

/// Rows of one transaction.
#[derive(Clone, Debug)]
pub enum Part {
    /// Customers with their addresses.
    Customers(Ids),
    /// Items.
    Items(Ids),
    /// Orders with their lines.
    Orders(Ids),
}

impl Plan {
    /// Returns the number of customers, items and orders.
    pub(super) fn total(&self) -> u64 {
        [self.customers, self.items, self.orders].map(u64::from).iter().sum()
    }

    /// Returns the parts in the order in which they are generated and inserted.
    pub(super) fn parts(&self) -> impl Iterator<Item = Part> + use<> {
        let customers = batches(self.customers).map(Part::Customers);
        let items = batches(self.items).map(Part::Items);
        customers.chain(items).chain(batches(self.orders).map(Part::Orders))
    }
}

/// Writes `30 customers, 3 items and 200 orders with seed 5`.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { customers, items, orders, seed } = self;
        write!(f, "{customers} customers, {items} items and {orders} orders with seed {seed}")
    }
}

/// Returns the ids 1 to `rows` in batches.
fn batches(rows: u32) -> impl Iterator<Item = Ids> {
    let rows = i64::from(rows);
    (1..=rows)
        .step_by(BATCH.into())
        .map(move |first| first..=rows.min(first + i64::from(BATCH) - 1))
}
