//! Tables and column types that mean the same on SQLite, PostgreSQL and MySQL.

use sea_orm_migration::{
    prelude::{Alias, ColumnDef, IntoIden, Table, TableCreateStatement},
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
