//! Bulk loads that are not finished: one at most.

use sea_orm::entity::prelude::*;

/// Row of `bulk_loads`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "bulk_loads")]
pub struct Model {
    /// The same number for every load, so that the primary key permits one.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// Description of the load; a load with the same one continues it.
    pub task: String,
    /// Number of rows loaded.
    pub done: i64,
}

impl ActiveModelBehavior for ActiveModel {}
