//! History of a database: the migrations that are applied to it.

use std::collections::BTreeSet;

use sea_orm::{ConnectionTrait, DbBackend, DbErr, EntityTrait, sea_query::SelectStatement};
use sea_orm_migration::{MigratorTrait, seaql_migrations};
use sea_schema::{mysql::MySql, postgres::Postgres, probe::SchemaProbe, sqlite::Sqlite};

use crate::{Migrator, Result};

/// Table of the applied migrations, as the migration library names it.
pub const HISTORY_TABLE: &str = "seaql_migrations";

/// Returns the names of the pending migrations, oldest first. Reads only.
///
/// An applied migration that this program does not know is a newer release's. Each release works with the schema of
/// the next one, so that they can be exchanged one server at a time.
pub async fn pending(db: &impl ConnectionTrait) -> Result<Vec<String>> {
    let applied = applied(db).await?;
    Ok(known().filter(|name| !applied.contains(name)).collect())
}

/// Returns the names of the applied migrations, also of those that this program does not know. Reads only.
pub async fn applied(db: &impl ConnectionTrait) -> Result<BTreeSet<String>> {
    if !has_table(db, HISTORY_TABLE).await? {
        return Ok(BTreeSet::new());
    }
    let rows = seaql_migrations::Entity::find().all(db).await?;
    Ok(rows.into_iter().map(|row| row.version).collect())
}

/// Returns a line for each migration. Reads only.
pub async fn status(db: &impl ConnectionTrait) -> Result<Vec<String>> {
    let applied = applied(db).await?;
    let known: BTreeSet<_> = known().collect();
    let line = |name: &String| {
        let status = match (known.contains(name), applied.contains(name)) {
            (true, true) => "Applied",
            (true, false) => "Pending",
            (false, _) => "Unknown",
        };
        format!("{status:<8} {name}")
    };
    Ok(known.union(&applied).map(line).collect())
}

/// Returns the names of this program's migrations, oldest first.
fn known() -> impl Iterator<Item = String> {
    Migrator::migrations().into_iter().map(|migration| migration.name().to_owned())
}

/// Returns whether the database has the table.
pub async fn has_table(db: &impl ConnectionTrait, table: &str) -> Result<bool, DbErr> {
    Ok(tables(db).await?.iter().any(|name| name == table))
}

/// Returns the names of the tables.
pub async fn tables(db: &impl ConnectionTrait) -> Result<Vec<String>, DbErr> {
    let query: SelectStatement = match db.get_database_backend() {
        DbBackend::Postgres => Postgres.query_tables(),
        DbBackend::MySql => MySql.query_tables(),
        _ => Sqlite.query_tables(),
    };
    let rows = db.query_all(&query).await?;
    rows.iter().map(|row| row.try_get("", "table_name")).collect()
}
