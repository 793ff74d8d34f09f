//! Generated data: plausible rows, the same for the same seed.

use std::ops::RangeInclusive;

use chrono::{DateTime, TimeDelta};
use entity::{Money, address, customer, item, order_items, orders};
use rand::{
    RngExt as _, SeedableRng,
    seq::{IndexedRandom, index},
};
use rand_chacha::ChaCha8Rng;
use sea_orm::DatabaseTransaction;

use super::{
    plan::{Part, Plan},
    refuse_unless_empty,
    words::{FIRST_NAMES, GOODS, LAST_NAMES, QUALITIES},
};
use crate::{
    Database, Error, Result,
    bulk_load::{self, Batch, BulkLoad, Progress, insert},
};

/// Earliest order time, 2024-01-01: seconds since 1970.
const START: TimeDelta = TimeDelta::seconds(1_704_067_200);

/// Length of the period of the order times: two years.
const PERIOD_MICROS: i64 = 2 * 365 * 24 * 60 * 60 * 1_000_000;

const LINES: RangeInclusive<usize> = 1..=5;

/// Generates the rows of `plan`, at most a thousand customers, items or orders in one transaction, and reports how many
/// are done after each. An interrupted run with the same plan is continued, which makes the same rows.
///
/// # Errors
/// [`Error::NotEmpty`], [`Error::NothingToOrder`], [`Error::UnfinishedLoad`] and [`Error::ConcurrentLoad`].
pub async fn generate(db: &Database, plan: Plan, report: &dyn Fn(Progress)) -> Result<()> {
    if plan.orders > 0 && (plan.customers == 0 || plan.items == 0) {
        return Err(Error::NothingToOrder);
    }
    let stored = stored_rows(db, plan).await?;
    let progress = Progress { done: stored, total: plan.total() };
    let mut load = BulkLoad::new(db, plan.to_string(), refuse_unless_empty, progress, report);
    let mut generator = Generator::new(plan);
    let mut drawn = 0;
    for part in plan.parts() {
        // Stored rows are drawn as well: later ones depend on the state of the generator.
        let rows = generator.rows(part);
        drawn += rows.len();
        if drawn > stored {
            load.write(rows).await?;
        }
    }
    load.finish().await
}

/// Returns the number of customers, items and orders that an interrupted run has stored.
async fn stored_rows(db: &Database, plan: Plan) -> Result<u64> {
    match bulk_load::unfinished(db.primary_reader()).await? {
        None => Ok(0),
        Some(load) if load.task == plan.to_string() => Ok(load.done.cast_unsigned()),
        Some(load) => Err(Error::UnfinishedLoad { unfinished: load.task, task: plan.to_string() }),
    }
}

enum Rows {
    Customers(Vec<address::Model>, Vec<customer::Model>),
    Items(Vec<item::Model>),
    Orders(Vec<orders::Model>, Vec<order_items::Model>),
}

impl Batch for Rows {
    fn len(&self) -> u64 {
        let rows = match self {
            Self::Customers(_, customers) => customers.len(),
            Self::Items(items) => items.len(),
            Self::Orders(orders, _) => orders.len(),
        };
        rows as u64
    }

    async fn insert(&self, txn: &DatabaseTransaction) -> Result<()> {
        match self {
            Self::Customers(addresses, customers) => {
                insert::<address::Entity>(txn, addresses).await?;
                insert::<customer::Entity>(txn, customers).await
            }
            Self::Items(items) => insert::<item::Entity>(txn, items).await,
            Self::Orders(orders, lines) => {
                insert::<orders::Entity>(txn, orders).await?;
                insert::<order_items::Entity>(txn, lines).await
            }
        }
    }
}

struct Generator {
    plan: Plan,
    rng: ChaCha8Rng,
    prices: Vec<(i64, Money)>,
}

impl Generator {
    fn new(plan: Plan) -> Self {
        Self { plan, rng: ChaCha8Rng::seed_from_u64(plan.seed), prices: Vec::new() }
    }

    /// Draws the rows of a part. The parts must come in their order.
    fn rows(&mut self, part: Part) -> Rows {
        match part {
            Part::Customers(ids) => {
                let addresses = ids.clone().map(|id| self.address(id)).collect();
                Rows::Customers(addresses, ids.map(|id| self.customer(id)).collect())
            }
            Part::Items(ids) => Rows::Items(ids.map(|id| self.item(id)).collect()),
            Part::Orders(ids) => {
                let orders = ids.clone().map(|id| self.order(id)).collect();
                let mut lines = Vec::new();
                ids.for_each(|id| self.add_lines(id, &mut lines));
                Rows::Orders(orders, lines)
            }
        }
    }

    fn address(&mut self, id: i64) -> address::Model {
        let flat_number = self.rng.random_range(1..1000);
        let post_code = self.rng.random_range(10_000..100_000);
        address::Model { id, flat_number, post_code }
    }

    fn customer(&mut self, id: i64) -> customer::Model {
        let name = format!("{} {}", self.word(&FIRST_NAMES), self.word(&LAST_NAMES));
        customer::Model { id, name, address_id: id }
    }

    fn item(&mut self, id: i64) -> item::Model {
        let quality = self.word(&QUALITIES);
        let good = self.word(&GOODS);
        let price_cents = Money::from_cents(self.rng.random_range(50..10_000));
        self.prices.push((id, price_cents));
        let name = format!("{quality} {good} {id}");
        item::Model { id, name, price_cents, description: None }
    }

    /// Each order has its own slice of the period, and a random time within.
    fn order(&mut self, id: i64) -> orders::Model {
        let slice = (PERIOD_MICROS / i64::from(self.plan.orders)).max(1);
        let micros = (id - 1) * slice + self.rng.random_range(0..slice);
        orders::Model {
            id,
            customer_id: self.rng.random_range(1..=i64::from(self.plan.customers)),
            order_time: DateTime::UNIX_EPOCH.naive_utc() + START + TimeDelta::microseconds(micros),
        }
    }

    fn add_lines(&mut self, order_id: i64, lines: &mut Vec<order_items::Model>) {
        let wanted = self.rng.random_range(LINES).min(self.prices.len());
        let mut chosen = index::sample(&mut self.rng, self.prices.len(), wanted).into_vec();
        chosen.sort_unstable();
        for n in chosen {
            let Some(&(item_id, unit_price_cents)) = self.prices.get(n) else { continue };
            let quantity = self.rng.random_range(1..=10);
            lines.push(order_items::Model { order_id, item_id, quantity, unit_price_cents });
        }
    }

    fn word(&mut self, words: &[&'static str]) -> &'static str {
        words.choose(&mut self.rng).copied().unwrap_or_default()
    }
}
