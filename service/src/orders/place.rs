//! Placing an order.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, SubsecRound, Utc};
use entity::{Money, customer, item, order_items, orders};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, NotSet,
    QueryFilter, Set,
};
use serde::{Deserialize, Serialize};

use super::{Customer, Line, Order};
use crate::{Database, Error, Fault, Result};

/// The most lines of an order.
pub const MAX_LINES: usize = 500;

/// An order to place.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewOrder {
    /// Who places it.
    pub customer_id: i64,
    /// What is ordered: 1 to [`MAX_LINES`] lines, each of another item.
    pub items: Vec<NewLine>,
}

/// So many of one item.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewLine {
    /// The item.
    pub id: i64,
    /// How many: 1 to 2,147,483,647.
    pub quantity: i64,
}

/// Places an order, whole or not at all, at the items' prices of this moment. Four statements.
///
/// # Errors
/// [`Error::Invalid`] names every bad quantity, repeated or unknown item, and an unknown customer.
pub async fn place(db: &Database, order: NewOrder, now: DateTime<Utc>) -> Result<Order> {
    let quantities = order.check()?;
    let now = now.trunc_subsecs(6);
    db.write(move |txn| Box::pin(place_in(txn, order.clone(), quantities.clone(), now))).await
}

/// How many of each item, by its id.
type Quantities = BTreeMap<i64, i32>;

impl NewOrder {
    /// What can be said without the database.
    fn check(&self) -> Result<Quantities> {
        let mut faults = Vec::new();
        if !(1..=MAX_LINES).contains(&self.items.len()) {
            faults.push(Fault::new("/items", format!("an order has 1 to {MAX_LINES} items")));
        }
        let mut quantities = Quantities::new();
        for (n, line) in self.items.iter().enumerate() {
            let quantity = i32::try_from(line.quantity).unwrap_or_default();
            if quantity < 1 {
                let detail = format!("a quantity is from 1 to {}", i32::MAX);
                faults.push(Fault::new(format!("/items/{n}/quantity"), detail));
            }
            if quantities.insert(line.id, quantity).is_some() {
                let detail = format!("item {} is in this order already", line.id);
                faults.push(Fault::new(format!("/items/{n}/id"), detail));
            }
        }
        unless_faulty(quantities, faults)
    }

    fn unknown_item(&self, id: i64) -> Fault {
        let n = self.items.iter().position(|line| line.id == id).unwrap_or_default();
        Fault::new(format!("/items/{n}/id"), format!("there is no item {id}"))
    }
}

fn unless_faulty<T>(value: T, faults: Vec<Fault>) -> Result<T> {
    if faults.is_empty() { Ok(value) } else { Err(Error::Invalid(faults)) }
}

async fn place_in(
    txn: &DatabaseTransaction,
    order: NewOrder,
    quantities: Quantities,
    now: DateTime<Utc>,
) -> Result<Order> {
    let customer = find_customer(txn, order.customer_id).await?;
    let items = find_items(txn, &quantities).await?;
    let (customer, lines) = resolve(&order, &quantities, customer, items)?;

    let order_id = insert_head(txn, order.customer_id, now).await?;
    insert_lines(txn, order_id, &lines).await?;

    let items = lines.into_iter().map(|line| line.placed(order_id)).collect::<Result<_>>()?;
    Ok(Order { order_id, customer, order_time: now, items })
}

/// So many of an item that is known to exist.
struct ItemLine {
    item: item::Model,
    quantity: i32,
}

impl ItemLine {
    fn model(&self, order_id: i64) -> order_items::Model {
        order_items::Model {
            order_id,
            item_id: self.item.id,
            quantity: self.quantity,
            unit_price_cents: self.item.price_cents,
        }
    }

    fn placed(self, order_id: i64) -> Result<Line> {
        let model = self.model(order_id);
        Line::new(self.item.name, &model)
    }
}

async fn find_customer(db: &impl ConnectionTrait, id: i64) -> Result<Option<Customer>> {
    Ok(customer::Entity::find_by_id(id).into_partial_model().one(db).await?)
}

async fn find_items(
    db: &impl ConnectionTrait,
    quantities: &Quantities,
) -> Result<HashMap<i64, item::Model>> {
    let ids = quantities.keys().copied();
    let items = item::Entity::find().filter(item::Column::Id.is_in(ids)).all(db).await?;
    Ok(items.into_iter().map(|item| (item.id, item)).collect())
}

/// Everything that the order refers to, if all of it exists and the total is one that can be paid.
fn resolve(
    order: &NewOrder,
    quantities: &Quantities,
    customer: Option<Customer>,
    mut items: HashMap<i64, item::Model>,
) -> Result<(Customer, Vec<ItemLine>)> {
    let mut faults = Vec::new();
    let mut lines = Vec::new();
    let mut total = Some(Money::default());
    for (id, &quantity) in quantities {
        match items.remove(id) {
            Some(item) => {
                let line_total = item.price_cents.times(quantity);
                total = total.zip(line_total).and_then(|(total, line)| total.plus(line));
                lines.push(ItemLine { item, quantity });
            }
            None => faults.push(order.unknown_item(*id)),
        }
    }
    if total.is_none() {
        faults.push(Fault::new("/items", format!("the total is more than {}", Money::MAX)));
    }
    let Some(customer) = customer else {
        let detail = format!("there is no customer {}", order.customer_id);
        faults.insert(0, Fault::new("/customer_id", detail));
        return Err(Error::Invalid(faults));
    };
    unless_faulty((customer, lines), faults)
}

async fn insert_head(
    db: &impl ConnectionTrait,
    customer_id: i64,
    now: DateTime<Utc>,
) -> Result<i64> {
    let head = orders::ActiveModel {
        id: NotSet,
        customer_id: Set(customer_id),
        order_time: Set(now.naive_utc()),
    };
    Ok(orders::Entity::insert(head).exec(db).await?.last_insert_id)
}

async fn insert_lines(db: &impl ConnectionTrait, order_id: i64, lines: &[ItemLine]) -> Result<()> {
    let rows = lines.iter().map(|line| line.model(order_id).into_active_model());
    order_items::Entity::insert_many(rows).exec_without_returning(db).await?;
    Ok(())
}
