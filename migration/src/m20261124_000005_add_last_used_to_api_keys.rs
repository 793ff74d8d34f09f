//! Adds the time of the last use to API keys.

use sea_orm_migration::prelude::*;

use crate::schema::{optional, utc_micros};

/// Migration of this module.
#[derive(DeriveMigrationName)]
pub struct Migration;

#[derive(DeriveIden)]
enum ApiKeys {
    Table,
    LastUsedAt,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    /// The column may exist after an interrupted run on MySQL.
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if has_column(manager).await? {
            return Ok(());
        }
        let column = optional(utc_micros(manager.get_database_backend(), ApiKeys::LastUsedAt));
        let add = Table::alter().table(ApiKeys::Table).add_column(column).take();
        manager.alter_table(add).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if !has_column(manager).await? {
            return Ok(());
        }
        let drop = Table::alter().table(ApiKeys::Table).drop_column(ApiKeys::LastUsedAt).take();
        manager.alter_table(drop).await
    }
}

async fn has_column(manager: &SchemaManager<'_>) -> Result<bool, DbErr> {
    manager.has_column("api_keys", "last_used_at").await
}
