//! Creates the table of the bulk load that is not finished.

use sea_orm_migration::prelude::*;

use crate::schema::table;

/// Migration of this module.
#[derive(DeriveMigrationName)]
pub struct Migration;

#[derive(DeriveIden)]
enum BulkLoads {
    Table,
    Id,
    Task,
    Done,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let loads = table(manager.get_database_backend(), BulkLoads::Table)
            .col(ColumnDef::new(BulkLoads::Id).big_integer().not_null().primary_key())
            .col(ColumnDef::new(BulkLoads::Task).string_len(255).not_null())
            .col(ColumnDef::new(BulkLoads::Done).big_integer().not_null())
            .take();
        manager.create_table(loads).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(BulkLoads::Table).if_exists().take()).await
    }
}
