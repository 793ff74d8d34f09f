//! Tables and column types with the same semantics on SQLite, PostgreSQL and MySQL.

use sea_orm_migration::{
    prelude::{
        Alias, ColumnDef, DbErr, DynIden, Index, IntoIden, SchemaManager, Table,
        TableCreateStatement,
    },
    sea_orm::DbBackend,
};

/// Returns a `CREATE TABLE` statement. On MySQL it has `IF NOT EXISTS`: schema changes are not
/// transactional there, so the table may exist after an interrupted run.
pub fn table(backend: DbBackend, name: impl IntoIden) -> TableCreateStatement {
    let mut table = Table::create();
    table.table(name.into_iden());
    if backend == DbBackend::MySql {
        table.if_not_exists();
        // The server's default character set may not cover Unicode, and its collation may ignore case.
        table.engine("InnoDB").character_set("utf8mb4").collate("utf8mb4_bin");
    }
    table
}

/// Auto-increment `BIGINT` primary key. The ids of deleted rows are not reused.
pub fn id(name: impl IntoIden) -> ColumnDef {
    let mut column = ColumnDef::new(name);
    column.big_integer().not_null().auto_increment().primary_key();
    column
}

/// UTC time with microseconds and without an offset. The application binds every value.
pub fn utc_micros(backend: DbBackend, name: impl IntoIden) -> ColumnDef {
    let mut column = ColumnDef::new(name);
    match backend {
        DbBackend::MySql => column.custom(Alias::new("DATETIME(6)")),
        _ => column.timestamp(),
    };
    column.not_null();
    column
}

/// Makes a column nullable.
pub fn optional(mut column: ColumnDef) -> ColumnDef {
    column.null();
    column
}

/// Name of up to 200 characters, sorted by code point on every database.
pub fn name(backend: DbBackend, name: impl IntoIden) -> ColumnDef {
    let mut column = ColumnDef::new(name);
    column.string_len(200).not_null();
    if backend == DbBackend::Postgres {
        column.extra("COLLATE \"C\"");
    }
    column
}

/// Text of at least 16 MiB on every database; `TEXT` on MySQL is limited to 64 KiB.
pub fn long_text(backend: DbBackend, name: impl IntoIden) -> ColumnDef {
    let mut column = ColumnDef::new(name);
    match backend {
        DbBackend::MySql => column.custom(Alias::new("MEDIUMTEXT")),
        _ => column.text(),
    };
    column.not_null();
    column
}

/// Creates an index unless it exists; MySQL has no `CREATE INDEX IF NOT EXISTS`.
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
