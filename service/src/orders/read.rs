//! Orders as they are shown, with customer and lines, by one statement however many they are.

use chrono::{DateTime, NaiveDateTime, Utc};
use entity::{item, order_items, orders};
use futures_util::Stream;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DerivePartialModel, EntityTrait, JoinType,
    QueryFilter, QueryOrder, QuerySelect, QueryTrait, RelationTrait, Select,
};

use super::{Customer, Line, Order};
use crate::{Database, PAGE, Result, pages::pages};

/// The orders of a customer, oldest id first; none for an unknown customer. One statement.
pub async fn of_customer(db: &impl ConnectionTrait, customer_id: i64) -> Result<Vec<Order>> {
    let page = orders::Entity::find().filter(orders::Column::CustomerId.eq(customer_id));
    load(db, page, &[orders::Column::Id]).await
}

/// The orders with `after <= order_time <= before`, oldest first: one statement a page.
pub fn stream_between(
    db: Database,
    after: DateTime<Utc>,
    before: DateTime<Utc>,
) -> impl Stream<Item = Result<Vec<Order>>> {
    pages(
        move |last| {
            let db = db.clone();
            async move { page_between(db.reader(), after, before, last).await }
        },
        |order: &Order| (order.order_time, order.order_id),
    )
}

async fn page_between(
    db: &impl ConnectionTrait,
    after: DateTime<Utc>,
    before: DateTime<Utc>,
    last: Option<(DateTime<Utc>, i64)>,
) -> Result<Vec<Order>> {
    use orders::Column::{Id, OrderTime};
    // Of two lower bounds the databases would not know the narrower one.
    let mut page = orders::Entity::find()
        .filter(OrderTime.gte(last.map_or(after, |(time, _)| time).naive_utc()))
        .filter(OrderTime.lte(before.naive_utc()));
    if let Some((time, id)) = last {
        page = page.filter(Condition::any().add(OrderTime.gt(time.naive_utc())).add(Id.gt(id)));
    }
    let keys = [OrderTime, Id];
    let page = keys.iter().fold(page.limit(PAGE), |page, key| page.order_by_asc(*key));
    load(db, page, &keys).await
}

#[derive(DerivePartialModel)]
#[sea_orm(entity = "orders::Entity")]
struct Row {
    id: i64,
    order_time: NaiveDateTime,
    #[sea_orm(nested)]
    customer: Customer,
    #[sea_orm(nested)]
    line: Option<order_items::Model>,
    #[sea_orm(nested)]
    item: Option<ItemName>,
}

#[derive(DerivePartialModel)]
#[sea_orm(entity = "item::Entity")]
struct ItemName {
    name: String,
}

/// The orders that `page` selects, by `keys`, with customer and lines.
///
/// `page` stands in for the table, so that its limit counts orders and not lines.
async fn load(
    db: &impl ConnectionTrait,
    page: Select<orders::Entity>,
    keys: &[orders::Column],
) -> Result<Vec<Order>> {
    let mut rows = orders::Entity::find()
        .join(JoinType::InnerJoin, orders::Relation::Customer.def())
        .join(JoinType::LeftJoin, orders::Relation::OrderItems.def())
        .join(JoinType::LeftJoin, order_items::Relation::Item.def());
    QuerySelect::query(&mut rows).from_clear().from_subquery(page.into_query(), orders::Entity);
    for key in keys {
        rows = rows.order_by_asc(*key);
    }
    let rows = rows.order_by_asc(order_items::Column::ItemId);
    group(rows.into_partial_model().all(db).await?)
}

/// Adjacent rows of one order become that order with its lines.
fn group(rows: Vec<Row>) -> Result<Vec<Order>> {
    let mut orders: Vec<Order> = Vec::new();
    for Row { id, order_time, customer, line, item } in rows {
        if orders.last().is_none_or(|order| order.order_id != id) {
            let order_time = order_time.and_utc();
            orders.push(Order { order_id: id, customer, order_time, items: Vec::new() });
        }
        if let (Some(order), Some(line), Some(item)) = (orders.last_mut(), line, item) {
            order.items.push(Line::new(item.name, &line)?);
        }
    }
    Ok(orders)
}
