//! Placing an order.

use std::collections::HashMap;

use chrono::{DateTime, SubsecRound, Utc};
use entity::{Money, customer, item, order_items, orders};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseTransaction,
    EntityTrait, QueryFilter, SelectExt,
};

use super::{Line, Order};
use crate::{
    Database, Error, Result, Violation,
    database::query::pad,
    domain::{OrderLine, OrderLines},
    idempotency::{self, Created, IdempotencyKey},
};

/// New order.
#[derive(Clone, Debug)]
pub struct NewOrder {
    /// Id of the customer.
    pub customer_id: i64,
    /// Lines.
    pub lines: OrderLines,
}

/// Places an order, whole or not at all, at the current prices of the items. Four statements however many lines: the
/// customer and the items are looked up, the order and its lines are inserted. Five on MySQL, which has no RETURNING.
///
/// # Errors
/// [`Error::Invalid`] names an unknown customer and every unknown item.
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

async fn place_in(txn: &DatabaseTransaction, order: NewOrder, now: DateTime<Utc>) -> Result<Order> {
    let NewOrder { customer_id, lines } = order;
    let customer_exists = customer::Entity::find_by_id(customer_id).exists(txn).await?;
    let items = find_items(txn, lines.as_slice()).await?;
    let (lines, total) = resolve(customer_id, customer_exists, lines.as_slice(), items)?;
    let order = insert_order(txn, customer_id, now).await?;
    insert_lines(txn, order.id, &lines).await?;
    Ok(Order { id: order.id, customer_id, customer: None, order_time: now, items: lines, total })
}

async fn find_items(
    db: &impl ConnectionTrait,
    lines: &[OrderLine],
) -> Result<HashMap<i64, item::Model>> {
    let ids: Vec<i64> = lines.iter().map(|line| line.item_id).collect();
    let items = item::Entity::find().filter(item::Column::Id.is_in(pad(&ids))).all(db).await?;
    Ok(items.into_iter().map(|item| (item.id, item)).collect())
}

/// Returns the lines by item id, at the items' prices, and their total.
///
/// # Errors
/// [`Error::Invalid`] with every violation.
fn resolve(
    customer_id: i64,
    customer_exists: bool,
    lines: &[OrderLine],
    mut items: HashMap<i64, item::Model>,
) -> Result<(Vec<Line>, Money)> {
    let mut violations = Vec::new();
    if !customer_exists {
        violations.push(Violation::UnknownCustomer(customer_id));
    }
    let mut resolved = Vec::with_capacity(lines.len());
    let mut total = Some(Money::default());
    for (n, line) in lines.iter().enumerate() {
        let Some(item) = items.remove(&line.item_id) else {
            violations.push(Violation::UnknownItem { line: n, item_id: line.item_id });
            continue;
        };
        let quantity = line.quantity.get();
        let item_total = item.price_cents.times(quantity);
        total = total.zip(item_total).and_then(|(total, line)| total.plus(line));
        resolved.push(Line {
            item_id: item.id,
            name: item.name,
            quantity,
            unit_price: item.price_cents,
            item_total: item_total.unwrap_or_default(),
            item: None,
        });
    }
    if total.is_none() {
        violations.push(Violation::TotalTooLarge);
    }
    resolved.sort_unstable_by_key(|line| line.item_id);
    match total {
        Some(total) if violations.is_empty() => Ok((resolved, total)),
        _ => Err(Error::Invalid(violations)),
    }
}

async fn insert_order(
    txn: &DatabaseTransaction,
    customer_id: i64,
    now: DateTime<Utc>,
) -> Result<orders::Model> {
    let order = orders::ActiveModel {
        customer_id: Set(customer_id),
        order_time: Set(now.naive_utc()),
        ..Default::default()
    };
    Ok(order.insert(txn).await?)
}

/// One statement for all lines: saving them nested in the order would take one each.
async fn insert_lines(txn: &DatabaseTransaction, order_id: i64, lines: &[Line]) -> Result<()> {
    let rows = lines.iter().map(|line| order_items::ActiveModel {
        order_id: Set(order_id),
        item_id: Set(line.item_id),
        quantity: Set(line.quantity),
        unit_price_cents: Set(line.unit_price),
    });
    order_items::Entity::insert_many(rows).exec_without_returning(txn).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Quantity;

    const MILK: i64 = 1;
    const BREAD: i64 = 3;

    fn items() -> HashMap<i64, item::Model> {
        let item = |(id, name, cents)| {
            let (name, price_cents) = (str::to_owned(name), Money::from_cents(cents));
            (id, item::Model { id, name, price_cents, description: None })
        };
        [(MILK, "Milk", 500), (BREAD, "Bread", 1050), (7, "Gold", Money::MAX.cents())]
            .map(item)
            .into()
    }

    fn lines(lines: &[(i64, i64)]) -> Vec<OrderLine> {
        let line = |&(item_id, quantity)| OrderLine {
            item_id,
            quantity: Quantity::try_from(quantity).unwrap(),
        };
        lines.iter().map(line).collect()
    }

    #[test]
    fn lines_are_sorted_by_item_and_summed_up() {
        let (resolved, total) =
            resolve(1, true, &lines(&[(BREAD, 2), (MILK, 1)]), items()).unwrap();
        let resolved: Vec<_> =
            resolved.iter().map(|line| (line.item_id, line.item_total.cents())).collect();
        assert_eq!(resolved, [(MILK, 500), (BREAD, 2100)]);
        assert_eq!(total, Money::from_cents(2600));
    }

    #[test]
    fn every_violation_is_named_at_the_line_given_by_the_caller() {
        let given = lines(&[(9, 1), (MILK, 1), (8, 1), (7, 2)]);
        let Err(Error::Invalid(violations)) = resolve(5, false, &given, items()) else {
            panic!("the order is not refused")
        };
        assert_eq!(
            violations,
            [
                Violation::UnknownCustomer(5),
                Violation::UnknownItem { line: 0, item_id: 9 },
                Violation::UnknownItem { line: 2, item_id: 8 },
                Violation::TotalTooLarge,
            ]
        );
        let sum = resolve(1, true, &lines(&[(7, 1), (MILK, 1)]), items());
        assert!(matches!(sum, Err(Error::Invalid(v)) if v == [Violation::TotalTooLarge]));
    }
}
