//! Order placement.

use actix_web::{
    HttpResponse,
    web::{Data, Json},
};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use sqlx::{PgConnection, QueryBuilder, SqliteConnection, query, query_as, query_scalar};

use crate::{
    database::{Database, push_in},
    error::{Error, Result},
    sql, time,
    v1::{Line, Order, sum},
};

/// Request body of an order.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewOrder {
    customer_id: i64,
    items: Vec<NewLine>,
}

/// Requested quantity of one item.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewLine {
    id: i64,
    quantity: i32,
}

/// Item id, name, price.
type ItemRow = (i64, String, i64);

/// Handles `POST /api/add_new_order`.
pub async fn add_new_order(db: Data<Database>, order: Json<NewOrder>) -> Result<HttpResponse> {
    let order = place(&db, order.into_inner(), time::now()).await?;
    Ok(HttpResponse::Created().json(order))
}

/// Compiles the statements of the transaction for each database.
macro_rules! place_in {
    ($txn:expr, $order:expr, $now:expr, $find_items:path, $insert_lines:path) => {{
        let mut txn = $txn;
        let (order, now) = ($order, $now);
        let customer: Option<i64> = query_scalar(sql::CUSTOMER_EXISTS)
            .bind(order.customer_id)
            .fetch_optional(&mut *txn)
            .await?;
        let customer_id = customer.ok_or(Error::Invalid)?;
        let ids: Vec<i64> = order.items.iter().map(|line| line.id).collect();
        let items = priced(&order.items, $find_items(&mut txn, &ids).await?)?;
        let id: i64 = query_scalar(sql::INSERT_ORDER)
            .bind(customer_id)
            .bind(now.naive_utc())
            .fetch_one(&mut *txn)
            .await?;
        $insert_lines(&mut txn, id, &items).await?;
        txn.commit().await?;
        let total = sum(&items);
        Ok(Order { id, customer_id, customer: None, order_time: now, items, total })
    }};
}

/// Places an order at the current item prices in one transaction.
async fn place(db: &Database, mut order: NewOrder, now: DateTime<Utc>) -> Result<Order> {
    if order.items.is_empty() || order.items.iter().any(|line| line.quantity < 1) {
        return Err(Error::Invalid);
    }
    order.items.sort_unstable_by_key(|line| line.id);
    match db {
        Database::Sqlite { writer, .. } => {
            let txn = writer.begin_with("BEGIN IMMEDIATE").await?;
            place_in!(txn, order, now, sqlite::find_items, sqlite::insert_lines)
        }
        Database::Postgres(pool) => {
            let txn = pool.begin().await?;
            place_in!(txn, order, now, postgres::find_items, postgres::insert_lines)
        }
    }
}

/// Returns the lines with names and prices. Both inputs are sorted by item; unknown and repeated items are
/// errors.
fn priced(lines: &[NewLine], items: Vec<ItemRow>) -> Result<Vec<Line>> {
    if items.len() != lines.len() {
        return Err(Error::Invalid);
    }
    let lines = lines.iter().zip(items);
    Ok(lines.map(|(line, (id, name, price))| Line::new(id, name, line.quantity, price)).collect())
}

mod sqlite {
    use super::{ItemRow, Line, QueryBuilder, Result, SqliteConnection, push_in};

    pub async fn find_items(db: &mut SqliteConnection, ids: &[i64]) -> Result<Vec<ItemRow>> {
        let mut query = QueryBuilder::new("SELECT id, name, price_cents FROM item WHERE id ");
        push_in(&mut query, ids);
        Ok(query.push(" ORDER BY id").build_query_as().fetch_all(db).await?)
    }

    pub async fn insert_lines(db: &mut SqliteConnection, id: i64, lines: &[Line]) -> Result<()> {
        let mut query = QueryBuilder::new(
            "INSERT INTO order_items (order_id, item_id, quantity, unit_price_cents) ",
        );
        query.push_values(lines, |mut row, line| {
            row.push_bind(id)
                .push_bind(line.item_id)
                .push_bind(line.quantity)
                .push_bind(line.unit_price.0);
        });
        query.build().execute(db).await?;
        Ok(())
    }
}

mod postgres {
    use super::{ItemRow, Line, PgConnection, Result, query, query_as};

    pub async fn find_items(db: &mut PgConnection, ids: &[i64]) -> Result<Vec<ItemRow>> {
        let items = "SELECT id, name, price_cents FROM item WHERE id = ANY($1) ORDER BY id";
        Ok(query_as(items).bind(ids).fetch_all(db).await?)
    }

    pub async fn insert_lines(db: &mut PgConnection, id: i64, lines: &[Line]) -> Result<()> {
        let insert = "
            INSERT INTO order_items (order_id, item_id, quantity, unit_price_cents)
            SELECT $1, * FROM UNNEST($2::BIGINT[], $3::INTEGER[], $4::BIGINT[])";
        query(insert)
            .bind(id)
            .bind(lines.iter().map(|line| line.item_id).collect::<Vec<_>>())
            .bind(lines.iter().map(|line| line.quantity).collect::<Vec<_>>())
            .bind(lines.iter().map(|line| line.unit_price.0).collect::<Vec<_>>())
            .execute(db)
            .await?;
        Ok(())
    }
}
