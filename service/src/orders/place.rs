//! Placing an order.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, SubsecRound, Utc};
use entity::{Money, customer, item, order_items, orders};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, NotSet, QueryFilter, SelectExt,
    Set,
};

use super::{Line, Order};
use crate::{
    Database, Error, Fault, Result,
    idempotency::{self, Created, IdempotencyKey},
};

/// The most lines of an order.
pub const MAX_LINES: usize = 100;

/// An order to place.
#[derive(Clone, Debug)]
pub struct NewOrder {
    /// Who places it.
    pub customer_id: i64,
    /// What is ordered: 1 to [`MAX_LINES`] lines, each of another item.
    pub items: Vec<NewLine>,
}

/// So many of one item.
#[derive(Clone, Debug)]
pub struct NewLine {
    /// The item.
    pub id: i64,
    /// How many; more than 0.
    pub quantity: i32,
}

/// Places an order, whole or not at all, at the items' prices of this moment. Four statements.
///
/// # Errors
/// [`Error::Invalid`] names every repeated or unknown item, and an unknown customer.
pub async fn place(
    db: &Database,
    order: NewOrder,
    key: Option<IdempotencyKey>,
    now: DateTime<Utc>,
) -> Result<Created> {
    let now = now.trunc_subsecs(6);
    let created =
        idempotency::create(db, key, now, move |txn| Box::pin(place_in(txn, order.clone(), now)))
            .await?;
    if !created.replayed {
        db.count_order();
    }
    Ok(created)
}

/// How many of each item, by its id.
type Quantities = BTreeMap<i64, i32>;

impl NewOrder {
    /// How many of each item, and what is wrong without a look at the database.
    fn quantities(&self) -> (Quantities, Vec<Fault>) {
        let mut quantities = Quantities::new();
        let mut faults = Vec::new();
        for (n, line) in self.items.iter().enumerate() {
            if quantities.insert(line.id, line.quantity).is_some() {
                let detail = format!("item {} is in this order already", line.id);
                faults.push(Fault::new(format!("/items/{n}/id"), detail));
            }
        }
        (quantities, faults)
    }

    fn unknown_item(&self, id: i64) -> Fault {
        let n = self.items.iter().position(|line| line.id == id).unwrap_or_default();
        Fault::new(format!("/items/{n}/id"), format!("there is no item {id}"))
    }
}

fn unless_faulty<T>(value: T, faults: Vec<Fault>) -> Result<T> {
    if faults.is_empty() { Ok(value) } else { Err(Error::Invalid(faults)) }
}

async fn place_in(txn: &DatabaseTransaction, order: NewOrder, now: DateTime<Utc>) -> Result<Order> {
    let customer_id = order.customer_id;
    let (quantities, faults) = order.quantities();
    let known = is_customer(txn, customer_id).await?;
    let items = find_items(txn, &quantities).await?;
    let (items, total) = resolve(&order, &quantities, known, items, faults)?;
    let id = insert_head(txn, customer_id, now).await?;
    insert_lines(txn, id, &items).await?;
    Ok(Order { id, customer_id, customer: None, order_time: now, items, total })
}

async fn is_customer(db: &impl ConnectionTrait, id: i64) -> Result<bool> {
    Ok(customer::Entity::find_by_id(id).exists(db).await?)
}

async fn find_items(
    db: &impl ConnectionTrait,
    quantities: &Quantities,
) -> Result<HashMap<i64, item::Model>> {
    let ids = quantities.keys().copied();
    let items = item::Entity::find().filter(item::Column::Id.is_in(ids)).all(db).await?;
    Ok(items.into_iter().map(|item| (item.id, item)).collect())
}

/// The lines and what they come to, if all that the order refers to exists and the total can be paid.
fn resolve(
    order: &NewOrder,
    quantities: &Quantities,
    customer_is_known: bool,
    mut items: HashMap<i64, item::Model>,
    mut faults: Vec<Fault>,
) -> Result<(Vec<Line>, Money)> {
    if !customer_is_known {
        let detail = format!("there is no customer {}", order.customer_id);
        faults.push(Fault::new("/customer_id", detail));
    }
    let mut lines = Vec::new();
    let mut total = Some(Money::default());
    for (id, &quantity) in quantities {
        let Some(item) = items.remove(id) else {
            faults.push(order.unknown_item(*id));
            continue;
        };
        let item_total = item.price_cents.times(quantity);
        total = total.zip(item_total).and_then(|(total, line)| total.plus(line));
        lines.push(Line {
            item_id: *id,
            name: item.name,
            quantity,
            unit_price: item.price_cents,
            item_total: item_total.unwrap_or_default(),
            item: None,
        });
    }
    if total.is_none() {
        faults.push(Fault::new("/items", format!("the total is more than {}", Money::MAX)));
    }
    unless_faulty((lines, total.unwrap_or_default()), faults)
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

async fn insert_lines(db: &impl ConnectionTrait, order_id: i64, lines: &[Line]) -> Result<()> {
    let rows = lines.iter().map(|line| order_items::ActiveModel {
        order_id: Set(order_id),
        item_id: Set(line.item_id),
        quantity: Set(line.quantity),
        unit_price_cents: Set(line.unit_price),
    });
    order_items::Entity::insert_many(rows).exec_without_returning(db).await?;
    Ok(())
}
