//! Generated data: plausible rows, the same for the same seed.

use std::{ops::RangeInclusive, sync::Arc};

use chrono::{DateTime, TimeDelta};
use entity::{Money, address, customer, item, order_items, orders};
use rand::{
    RngExt as _, SeedableRng,
    seq::{IndexedRandom, index},
};
use rand_chacha::ChaCha8Rng;
use sea_orm::{ActiveModelTrait, DatabaseTransaction, IntoActiveModel};

use super::{
    insert, refuse_unless_empty, reset_sequences,
    words::{FIRST_NAMES, GOODS, LAST_NAMES, QUALITIES},
};
use crate::{Database, Error, Result};

/// Number of rows in one `INSERT`: within the limit of bound values of every database (32,766 on SQLite); larger
/// batches are not faster.
const BATCH: u16 = 1000;

/// Earliest order time, 2024-01-01: seconds since 1970.
const START: TimeDelta = TimeDelta::seconds(1_704_067_200);

/// Length of the period of the order times: two years.
const PERIOD_MICROS: i64 = 2 * 365 * 24 * 60 * 60 * 1_000_000;

const LINES: RangeInclusive<usize> = 1..=5;

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

/// Progress of [`generate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Number of customers, items and orders inserted.
    pub done: u64,
    /// Number of customers, items and orders requested.
    pub total: u64,
}

/// Generates the rows of `plan` in one transaction and reports the progress after each batch.
///
/// # Errors
/// [`Error::NotEmpty`], and [`Error::NothingToOrder`].
pub async fn generate(
    db: &Database,
    plan: Plan,
    progress: impl Fn(Progress) + Send + Sync + 'static,
) -> Result<()> {
    if plan.orders > 0 && (plan.customers == 0 || plan.items == 0) {
        return Err(Error::NothingToOrder);
    }
    let progress: Arc<dyn Fn(Progress) + Send + Sync> = Arc::new(progress);
    db.write_many(move |txn| Box::pin(Generator::new(txn, plan, Arc::clone(&progress)).run())).await
}

struct Generator<'a> {
    txn: &'a DatabaseTransaction,
    plan: Plan,
    rng: ChaCha8Rng,
    items: Vec<(i64, Money)>,
    done: u64,
    progress: Arc<dyn Fn(Progress) + Send + Sync>,
}

impl<'a> Generator<'a> {
    fn new(
        txn: &'a DatabaseTransaction,
        plan: Plan,
        progress: Arc<dyn Fn(Progress) + Send + Sync>,
    ) -> Self {
        let rng = ChaCha8Rng::seed_from_u64(plan.seed);
        Self { txn, plan, rng, items: Vec::new(), done: 0, progress }
    }

    async fn run(mut self) -> Result<()> {
        refuse_unless_empty(self.txn).await?;
        self.customers().await?;
        self.items().await?;
        self.orders().await?;
        reset_sequences(self.txn).await
    }

    async fn customers(&mut self) -> Result<()> {
        for ids in batches(self.plan.customers) {
            let addresses = ids.clone().map(|id| self.address(id)).collect();
            self.insert::<address::ActiveModel>(addresses).await?;
            let customers = ids.clone().map(|id| self.customer(id)).collect();
            self.insert::<customer::ActiveModel>(customers).await?;
            self.report(ids);
        }
        Ok(())
    }

    async fn items(&mut self) -> Result<()> {
        for ids in batches(self.plan.items) {
            let items = ids.clone().map(|id| self.item(id)).collect();
            self.insert::<item::ActiveModel>(items).await?;
            self.report(ids);
        }
        Ok(())
    }

    /// Lines are inserted in full batches too, since each number of rows is another statement to prepare.
    async fn orders(&mut self) -> Result<()> {
        let mut lines = Vec::new();
        for ids in batches(self.plan.orders) {
            let orders = ids.clone().map(|id| self.order(id)).collect();
            self.insert::<orders::ActiveModel>(orders).await?;
            for id in ids.clone() {
                self.add_lines(id, &mut lines);
            }
            while lines.len() >= BATCH.into() {
                let rest = lines.split_off(BATCH.into());
                self.insert(std::mem::replace(&mut lines, rest)).await?;
            }
            self.report(ids);
        }
        self.insert(lines).await
    }

    fn address(&mut self, id: i64) -> address::ActiveModel {
        let flat_number = self.rng.random_range(1..1000);
        let post_code = self.rng.random_range(10_000..100_000);
        address::Model { id, flat_number, post_code }.into_active_model()
    }

    fn customer(&mut self, id: i64) -> customer::ActiveModel {
        let name = format!("{} {}", self.word(&FIRST_NAMES), self.word(&LAST_NAMES));
        customer::Model { id, name, address_id: id }.into_active_model()
    }

    fn item(&mut self, id: i64) -> item::ActiveModel {
        let quality = self.word(&QUALITIES);
        let good = self.word(&GOODS);
        let price_cents = Money::from_cents(self.rng.random_range(50..10_000));
        self.items.push((id, price_cents));
        let name = format!("{quality} {good} {id}");
        item::Model { id, name, price_cents, description: None }.into_active_model()
    }

    /// Each order has its own slice of the period, and a random time within.
    fn order(&mut self, id: i64) -> orders::ActiveModel {
        let slice = (PERIOD_MICROS / i64::from(self.plan.orders)).max(1);
        let micros = (id - 1) * slice + self.rng.random_range(0..slice);
        orders::Model {
            id,
            customer_id: self.rng.random_range(1..=i64::from(self.plan.customers)),
            order_time: DateTime::UNIX_EPOCH.naive_utc() + START + TimeDelta::microseconds(micros),
        }
        .into_active_model()
    }

    fn add_lines(&mut self, order_id: i64, lines: &mut Vec<order_items::ActiveModel>) {
        let wanted = self.rng.random_range(LINES).min(self.items.len());
        let mut chosen = index::sample(&mut self.rng, self.items.len(), wanted).into_vec();
        chosen.sort_unstable();
        for n in chosen {
            let Some(&(item_id, unit_price_cents)) = self.items.get(n) else { continue };
            let quantity = self.rng.random_range(1..=10);
            let line = order_items::Model { order_id, item_id, quantity, unit_price_cents };
            lines.push(line.into_active_model());
        }
    }

    fn word(&mut self, words: &[&'static str]) -> &'static str {
        words.choose(&mut self.rng).copied().unwrap_or_default()
    }

    async fn insert<A>(&self, models: Vec<A>) -> Result<()>
    where
        A: ActiveModelTrait + Send,
    {
        insert(self.txn, models).await
    }

    fn report(&mut self, ids: RangeInclusive<i64>) {
        self.done += ids.count() as u64;
        let Plan { customers, items, orders, .. } = self.plan;
        let total = u64::from(customers) + u64::from(items) + u64::from(orders);
        (self.progress)(Progress { done: self.done, total });
    }
}

/// Returns the ids 1 to `rows` in batches.
fn batches(rows: u32) -> impl Iterator<Item = RangeInclusive<i64>> {
    let rows = i64::from(rows);
    (1..=rows)
        .step_by(BATCH.into())
        .map(move |first| first..=rows.min(first + i64::from(BATCH) - 1))
}
