//! Queries whose SQL text this crate builds itself, with typed rows.
//!
//! Two things are out of reach of `Select::all`, and both show in benchmarks (`docs/decisions/` has the figures):
//! - Building the text of a small query takes 2 to 4 µs, more than a tenth of the time of a request that reads one row.
//!   A [`CompiledQuery`] builds it once and binds values to it at each use.
//! - PostgreSQL plans a statement anew at each use if its limit is a bound value and the plan depends on it. Here limits
//!   are part of the text.

use std::{fmt, marker::PhantomData, sync::RwLock};

use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, FromQueryResult, QueryResult, Statement, TryGetableMany,
    Value,
    sea_query::{
        MysqlQueryBuilder, PostgresQueryBuilder, QueryBuilder, SelectStatement, SqlWriter,
        SqliteQueryBuilder,
    },
};

/// Returns the rows of a query as tuples. One statement.
pub async fn fetch<Row: TryGetableMany + Send + Sync>(
    db: &impl ConnectionTrait,
    query: &SelectStatement,
) -> Result<Vec<Row>, DbErr> {
    let Text { sql, values } = Text::of(query, db.get_database_backend());
    all(db, Statement::from_sql_and_values(db.get_database_backend(), sql, values)).await
}

/// Greatest number of texts that are kept of a query, the latest ones: clients choose filters and limits.
const MAX_TEXTS: usize = 64;

/// Query with rows `Row`, whose text depends on the database and on `Key` only.
pub struct CompiledQuery<Row, Key> {
    texts: RwLock<Vec<(DbBackend, Key, String)>>,
    row: PhantomData<fn() -> Row>,
}

impl<Row, Key> CompiledQuery<Row, Key>
where
    Row: TryGetableMany + Send + Sync,
    Key: Copy + PartialEq,
{
    /// Makes a query without a text.
    pub const fn new() -> Self {
        Self { texts: RwLock::new(Vec::new()), row: PhantomData }
    }

    /// Returns the first row. One statement.
    pub async fn one(
        &self,
        db: &impl ConnectionTrait,
        key: Key,
        values: Vec<Value>,
        build: impl FnOnce(DbBackend) -> SelectStatement,
    ) -> Result<Option<Row>, DbErr> {
        let statement = self.bind(db.get_database_backend(), key, values, build);
        let row = Tuple::find_by_statement(statement).one(db).await?;
        Ok(row.map(|Tuple(row)| row))
    }

    /// Returns all rows. One statement.
    ///
    /// `build` makes the query for the first use with `key`; its values are `values`, in their order.
    pub async fn all(
        &self,
        db: &impl ConnectionTrait,
        key: Key,
        values: Vec<Value>,
        build: impl FnOnce(DbBackend) -> SelectStatement,
    ) -> Result<Vec<Row>, DbErr> {
        all(db, self.bind(db.get_database_backend(), key, values, build)).await
    }

    fn bind(
        &self,
        backend: DbBackend,
        key: Key,
        values: Vec<Value>,
        build: impl FnOnce(DbBackend) -> SelectStatement,
    ) -> Statement {
        if let Ok(texts) = self.texts.read()
            && let Some((_, _, sql)) = texts.iter().find(|(b, k, _)| *b == backend && *k == key)
        {
            return Statement::from_sql_and_values(backend, sql, values);
        }
        let text = Text::of(&build(backend), backend);
        // The text may be kept only if exactly these values are bound, in their order.
        if text.values == values
            && let Ok(mut texts) = self.texts.write()
            && !texts.iter().any(|(b, k, _)| *b == backend && *k == key)
        {
            if texts.len() == MAX_TEXTS {
                texts.remove(0);
            }
            texts.push((backend, key, text.sql.clone()));
        }
        Statement::from_sql_and_values(backend, text.sql, text.values)
    }
}

async fn all<Row: TryGetableMany + Send + Sync>(
    db: &impl ConnectionTrait,
    statement: Statement,
) -> Result<Vec<Row>, DbErr> {
    let rows = Tuple::find_by_statement(statement).all(db).await?;
    Ok(rows.into_iter().map(|Tuple(row)| row).collect())
}

/// Repeats the last id up to the next power of two, so that lists of many lengths share a few prepared statements.
pub fn pad(ids: &[i64]) -> impl Iterator<Item = i64> {
    let padding = ids.len().next_power_of_two() - ids.len();
    ids.iter().copied().chain(ids.last().copied().into_iter().cycle().take(padding))
}

/// Row that is decoded by position, as `Select::into_tuple` does.
struct Tuple<Row>(Row);

impl<Row: TryGetableMany> FromQueryResult for Tuple<Row> {
    fn from_query_result(row: &QueryResult, _prefix: &str) -> Result<Self, DbErr> {
        Ok(Self(Row::try_get_many_by_index(row)?))
    }
}

/// SQL text with the values to bind. Limits, the only unsigned numbers of a query, are written into the text.
#[derive(Default)]
struct Text {
    sql: String,
    values: Vec<Value>,
}

impl Text {
    fn of(query: &SelectStatement, backend: DbBackend) -> Self {
        let mut text = Self::default();
        match backend {
            DbBackend::Sqlite => query.build_collect_into(SqliteQueryBuilder, &mut text),
            DbBackend::Postgres => query.build_collect_into(PostgresQueryBuilder, &mut text),
            _ => query.build_collect_into(MysqlQueryBuilder, &mut text),
        }
        text
    }
}

impl SqlWriter for Text {
    fn push_param<B: QueryBuilder>(&mut self, value: Value, builder: &B) {
        let (placeholder, numbered) = builder.placeholder();
        match value {
            Value::BigUnsigned(Some(limit)) => self.sql += &limit.to_string(),
            value => {
                self.values.push(value);
                self.sql += placeholder;
                if numbered {
                    self.sql += &self.values.len().to_string();
                }
            }
        }
    }

    fn as_writer(&mut self) -> &mut dyn fmt::Write {
        self
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, sql: &str) -> fmt::Result {
        self.sql += sql;
        Ok(())
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sql)
    }
}

#[cfg(test)]
mod tests {
    use entity::item::{Column, Entity};
    use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect, QueryTrait};

    use super::*;
    use crate::testing::demo_database;

    #[tokio::test]
    async fn a_compiled_query_binds_other_values_to_the_same_text() {
        static QUERY: CompiledQuery<(i64, String), bool> = CompiledQuery::new();
        let (_directory, db) = demo_database().await;
        let find = async |by_id: bool, value: Value| {
            let column = if by_id { Column::Id } else { Column::Name };
            let build = |_| {
                let items = Entity::find().select_only().columns([Column::Id, Column::Name]);
                items.filter(column.eq(value.clone())).into_query()
            };
            QUERY.one(db.reader(), by_id, vec![value.clone()], build).await.unwrap()
        };
        let milk = Some((1, "Milk".to_owned()));
        let bread = Some((3, "Bread".to_owned()));
        for _ in 0..2 {
            assert_eq!(find(true, 1_i64.into()).await, milk);
            assert_eq!(find(true, 3_i64.into()).await, bread);
            assert_eq!(find(false, "Milk".into()).await, milk);
            assert_eq!(find(true, 9_i64.into()).await, None);
        }
        assert_eq!(QUERY.texts.read().unwrap().len(), 2);
    }

    #[tokio::test]
    async fn limits_are_part_of_the_text() {
        static QUERY: CompiledQuery<i64, u64> = CompiledQuery::new();
        let items = |id: i64, limit| {
            let items = Entity::find().select_only().column(Column::Id);
            items.filter(Column::Id.gte(id)).order_by_id_asc().limit(limit).into_query()
        };
        for (backend, placeholder) in
            [(DbBackend::Sqlite, "?"), (DbBackend::Postgres, "$1"), (DbBackend::MySql, "?")]
        {
            let Text { sql, values } = Text::of(&items(1, 2), backend);
            assert!(sql.contains(&format!(" >= {placeholder} ")), "{sql}");
            assert!(sql.ends_with(" LIMIT 2"), "{sql}");
            assert_eq!(values, [Value::from(1_i64)]);
        }
        let (_directory, db) = demo_database().await;
        for (id, limit, found) in [(1, 2, &[1_i64, 2][..]), (3, 2, &[3, 4]), (1, 1, &[1])] {
            let build = |_| items(id, limit);
            let kept = QUERY.all(db.reader(), limit, vec![id.into()], build).await.unwrap();
            let fetched = fetch(db.reader(), &items(id, limit)).await.unwrap();
            assert_eq!((kept, fetched), (found.to_vec(), found.to_vec()));
        }
    }

    #[tokio::test]
    async fn text_is_kept_only_if_the_values_are_bound_in_their_order() {
        static QUERY: CompiledQuery<String, ()> = CompiledQuery::new();
        let (_directory, db) = demo_database().await;
        for (name, id) in [("Milk", 1_i64), ("Bread", 3)] {
            let build = |_| {
                let items = Entity::find().select_only().column(Column::Name);
                items.filter(Column::Id.eq(id)).filter(Column::Name.eq(name)).into_query()
            };
            let found = QUERY.all(db.reader(), (), vec![name.into(), id.into()], build).await;
            assert_eq!(found.unwrap(), [name]);
        }
        assert!(QUERY.texts.read().unwrap().is_empty());
    }

    #[test]
    fn lists_are_padded_to_powers_of_two_by_the_last_id() {
        for (ids, padded) in [
            (&[7][..], &[7][..]),
            (&[1, 5], &[1, 5]),
            (&[1, 5, 9], &[1, 5, 9, 9]),
            (&[1, 2, 3, 4, 9], &[1, 2, 3, 4, 9, 9, 9, 9]),
        ] {
            assert_eq!(pad(ids).collect::<Vec<_>>(), padded);
        }
    }
}
