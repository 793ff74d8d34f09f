//! Connection pools and read queries.

use std::{str::FromStr, time::Duration};

use chrono::NaiveDateTime;
use sqlx::{
    ConnectOptions, PgPool, QueryBuilder, Sqlite, SqlitePool,
    postgres::{PgConnectOptions, PgPoolOptions},
    query_as, query_scalar,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::{error::Result, sql};

/// Maximum number of connections; on SQLite the number of readers beside the one writer.
const MAX_CONNECTIONS: u32 = 8;

/// Customer id and name, flat number, post code.
pub type CustomerRow = (i64, String, i32, i32);

/// Order id and time, customer name, item name, quantity, unit price.
pub type OrderRow = (i64, NaiveDateTime, String, Option<String>, Option<i32>, Option<i64>);

/// Order id, customer id, order time.
pub type OrderHeaderRow = (i64, i64, NaiveDateTime);

/// Order id, item id, item name, quantity, unit price.
pub type LineRow = (i64, i64, String, i32, i64);

/// Order id and time, customer id and name, flat number, post code.
pub type OrderCustomerRow = (i64, NaiveDateTime, i64, String, i32, i32);

/// Item id and name, quantity, unit price, current price and description of the item.
pub type ItemLineRow = (i64, String, i32, i64, i64, Option<String>);

/// Connection pools of a database. Cheap to clone.
#[derive(Clone)]
pub enum Database {
    /// SQLite with one writer and a pool of read-only connections.
    Sqlite { reader: SqlitePool, writer: SqlitePool },
    /// PostgreSQL with one pool.
    Postgres(PgPool),
}

/// Compiles `$query` for the read pool of each database.
macro_rules! on_reader {
    ($database:expr, $pool:ident => $query:expr) => {
        match $database {
            Database::Sqlite { reader: $pool, .. } => $query,
            Database::Postgres($pool) => $query,
        }
    };
}

impl Database {
    /// Opens the pools of the database at `url`.
    pub async fn connect(url: &str) -> sqlx::Result<Self> {
        if url.starts_with("sqlite:") {
            connect_sqlite(url).await
        } else {
            let options = PgConnectOptions::from_str(url)?.disable_statement_logging();
            let pool = PgPoolOptions::new()
                .max_connections(MAX_CONNECTIONS)
                .test_before_acquire(false)
                .connect_with(options)
                .await?;
            Ok(Self::Postgres(pool))
        }
    }

    /// Returns the page of customers after an id.
    pub async fn customers(&self, after: i64) -> Result<Vec<CustomerRow>> {
        Ok(on_reader!(self, pool => query_as(sql::CUSTOMERS)
            .bind(after)
            .fetch_all(pool)
            .await?))
    }

    /// Returns the page of a customer's orders after an id, sorted by id.
    pub async fn orders_of_customer(&self, customer_id: i64, after: i64) -> Result<Vec<OrderRow>> {
        Ok(on_reader!(self, pool => query_as(sql::ORDERS_OF_CUSTOMER)
            .bind(customer_id)
            .bind(after)
            .fetch_all(pool)
            .await?))
    }

    /// Returns the page of orders up to `last` after a time and an id, sorted by both.
    pub async fn orders_between(
        &self,
        last: NaiveDateTime,
        after: (NaiveDateTime, i64),
    ) -> Result<Vec<OrderRow>> {
        Ok(on_reader!(self, pool => query_as(sql::ORDERS_BETWEEN)
            .bind(last)
            .bind(after.0)
            .bind(after.1)
            .fetch_all(pool)
            .await?))
    }

    /// Returns the total of an order in cents, `None` for an unknown order.
    pub async fn order_total(&self, order_id: i64) -> Result<Option<i64>> {
        Ok(on_reader!(self, pool => query_scalar(sql::ORDER_TOTAL)
            .bind(order_id)
            .fetch_optional(pool)
            .await?))
    }

    /// Returns at most `limit` orders after an id, sorted by id, without their lines.
    pub async fn order_headers(&self, after: i64, limit: i64) -> Result<Vec<OrderHeaderRow>> {
        Ok(on_reader!(self, pool => query_as(sql::ORDER_HEADERS)
            .bind(after)
            .bind(limit)
            .fetch_all(pool)
            .await?))
    }

    /// Returns the lines of the orders, sorted by order and item.
    pub async fn lines(&self, order_ids: &[i64]) -> Result<Vec<LineRow>> {
        const LINES: &str = "
            SELECT l.order_id, l.item_id, i.name, l.quantity, l.unit_price_cents
            FROM order_items l
            JOIN item i ON i.id = l.item_id
            WHERE l.order_id ";
        const ORDER_BY: &str = " ORDER BY l.order_id, l.item_id";
        Ok(match self {
            Self::Sqlite { reader, .. } => {
                let mut query = QueryBuilder::new(LINES);
                push_in(&mut query, order_ids);
                query.push(ORDER_BY).build_query_as().fetch_all(reader).await?
            }
            Self::Postgres(pool) => {
                let mut query = QueryBuilder::new(LINES);
                query.push("= ANY(").push_bind(order_ids.to_vec()).push(")");
                query.push(ORDER_BY).build_query_as().fetch_all(pool).await?
            }
        })
    }

    /// Returns an order with its customer and address.
    pub async fn order(&self, order_id: i64) -> Result<Option<OrderCustomerRow>> {
        Ok(on_reader!(self, pool => query_as(sql::ORDER)
            .bind(order_id)
            .fetch_optional(pool)
            .await?))
    }

    /// Returns the lines of an order with their items, sorted by item.
    pub async fn lines_of_order(&self, order_id: i64) -> Result<Vec<ItemLineRow>> {
        Ok(on_reader!(self, pool => query_as(sql::LINES_OF_ORDER)
            .bind(order_id)
            .fetch_all(pool)
            .await?))
    }
}

/// Appends `IN (…)`, since SQLite has no array parameters.
pub fn push_in(query: &mut QueryBuilder<Sqlite>, ids: &[i64]) {
    query.push("IN (");
    let mut list = query.separated(", ");
    for id in ids {
        list.push_bind(*id);
    }
    query.push(")");
}

async fn connect_sqlite(url: &str) -> sqlx::Result<Database> {
    let options = SqliteConnectOptions::from_str(url)?
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(5))
        .disable_statement_logging();
    let write =
        options.clone().journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full);
    let pool = || SqlitePoolOptions::new().test_before_acquire(false);
    Ok(Database::Sqlite {
        writer: pool().max_connections(1).connect_with(write).await?,
        reader: pool()
            .max_connections(MAX_CONNECTIONS)
            .connect_with(options.read_only(true))
            .await?,
    })
}
