//! Tables and column types that mean the same on SQLite, PostgreSQL and MySQL.

use sea_orm_migration::{
    prelude::{
        Alias, ColumnDef, DbErr, DynIden, Index, IntoIden, SchemaManager, Table,
        TableCreateStatement,
    },
    sea_orm::DbBackend,
};

/// A table to create. MySQL, which cannot undo a migration that fails later, may have it already.
pub fn table(backend: DbBackend, name: impl IntoIden) -> TableCreateStatement {
    let mut table = Table::create();
    table.table(name.into_iden());
    if backend == DbBackend::MySql {
        table.if_not_exists();
        // A server's default need not hold every character, and compares without regard to case.
        table.engine("InnoDB").character_set("utf8mb4").collate("utf8mb4_bin");
    }
    table
}

/// `id`: counted up by the database, never reused.
pub fn id(name: impl IntoIden) -> ColumnDef {
    let mut column = ColumnDef::new(name);
    column.big_integer().not_null().auto_increment().primary_key();
    column
}

/// A time in UTC with microseconds, always bound by the application.
pub fn utc_micros(backend: DbBackend, name: impl IntoIden) -> ColumnDef {
    let mut column = ColumnDef::new(name);
    match backend {
        DbBackend::MySql => column.custom(Alias::new("DATETIME(6)")),
        _ => column.timestamp(),
    };
    column.not_null();
    column
}

/// The same column, which may be without a value.
pub fn optional(mut column: ColumnDef) -> ColumnDef {
    column.null();
    column
}

/// A name of up to 200 characters, sorted by code points on every database.
pub fn name(backend: DbBackend, name: impl IntoIden) -> ColumnDef {
    let mut column = ColumnDef::new(name);
    column.string_len(200).not_null();
    if backend == DbBackend::Postgres {
        column.extra("COLLATE \"C\"");
    }
    column
}

/// Text of up to megabytes: MySQL's `TEXT` ends at 64 KiB.
pub fn long_text(backend: DbBackend, name: impl IntoIden) -> ColumnDef {
    let mut column = ColumnDef::new(name);
    match backend {
        DbBackend::MySql => column.custom(Alias::new("MEDIUMTEXT")),
        _ => column.text(),
    };
    column.not_null();
    column
}

/// An index, unless it is there: MySQL has no `CREATE INDEX IF NOT EXISTS`.
pub async fn create_index(
    manager: &SchemaManager<'_>,
    name: &str,
    table: DynIden,
    columns: Vec<DynIden>,
) -> Result<(), DbErr> {
    if manager.has_index(table.to_string(), name).await? {
        return Ok(());
    }
    let mut index = Index::create();
    index.name(name).table(table);
    for column in columns {
        index.col(column);
    }
    manager.create_index(index).await
}
