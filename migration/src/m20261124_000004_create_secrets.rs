//! Creates the table of the service's own secrets.

use sea_orm_migration::prelude::*;

use crate::schema::table;

/// Migration of this module.
#[derive(DeriveMigrationName)]
pub struct Migration;

#[derive(DeriveIden)]
enum Secrets {
    Table,
    Name,
    Value,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let secrets = table(manager.get_database_backend(), Secrets::Table)
            .col(ColumnDef::new(Secrets::Name).string_len(32).not_null().primary_key())
            .col(ColumnDef::new(Secrets::Value).string_len(64).not_null())
            .take();
        manager.create_table(secrets).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Secrets::Table).if_exists().take()).await
    }
}
