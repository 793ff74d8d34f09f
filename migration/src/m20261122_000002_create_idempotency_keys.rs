//! Creates the table of idempotency keys with the stored responses.

use sea_orm_migration::prelude::*;

use crate::schema::{create_index, long_text, table, utc_micros};

/// Migration of this module.
#[derive(DeriveMigrationName)]
pub struct Migration;

#[derive(DeriveIden)]
enum IdempotencyKeys {
    Table,
    Caller,
    IdempotencyKey,
    Fingerprint,
    ResourceId,
    Body,
    ExpiresAt,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        use IdempotencyKeys::{
            Body, Caller, ExpiresAt, Fingerprint, IdempotencyKey, ResourceId, Table,
        };
        let backend = manager.get_database_backend();
        let keys = table(backend, Table)
            .col(ColumnDef::new(Caller).string_len(64).not_null())
            .col(ColumnDef::new(IdempotencyKey).string_len(255).not_null())
            .col(ColumnDef::new(Fingerprint).string_len(64).not_null())
            .col(ColumnDef::new(ResourceId).big_integer().not_null())
            .col(long_text(backend, Body))
            .col(utc_micros(backend, ExpiresAt))
            .primary_key(Index::create().col(Caller).col(IdempotencyKey))
            .take();
        manager.create_table(keys).await?;
        let expiry = vec![ExpiresAt.into_iden()];
        create_index(manager, "ix_idempotency_keys_expires_at", Table.into_iden(), expiry).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(IdempotencyKeys::Table).if_exists().take()).await
    }
}
