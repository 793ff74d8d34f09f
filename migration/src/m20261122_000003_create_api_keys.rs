//! Creates the table of API keys.

use sea_orm_migration::prelude::*;

use crate::schema::{name, optional, table, utc_micros};

/// Migration of this module.
#[derive(DeriveMigrationName)]
pub struct Migration;

#[derive(DeriveIden)]
enum ApiKeys {
    Table,
    Id,
    Name,
    Role,
    SecretHash,
    CreatedAt,
    ExpiresAt,
    RevokedAt,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        use ApiKeys::{CreatedAt, ExpiresAt, Id, Name, RevokedAt, Role, SecretHash, Table};
        let backend = manager.get_database_backend();
        let keys = table(backend, Table)
            .col(ColumnDef::new(Id).string_len(16).not_null().primary_key())
            .col(name(backend, Name))
            .col(ColumnDef::new(Role).string_len(16).not_null())
            .col(ColumnDef::new(SecretHash).string_len(64).not_null())
            .col(utc_micros(backend, CreatedAt))
            .col(optional(utc_micros(backend, ExpiresAt)))
            .col(optional(utc_micros(backend, RevokedAt)))
            .check(Expr::col(Role).is_in(["reader", "writer", "admin"]))
            .take();
        manager.create_table(keys).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(ApiKeys::Table).if_exists().take()).await
    }
}
