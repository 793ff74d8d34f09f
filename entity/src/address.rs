//! Addresses of customers.

use sea_orm::entity::prelude::*;

/// Row of `address`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "address")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub flat_number: i32,
    pub post_code: i32,
    #[sea_orm(has_one)]
    pub customer: HasOne<super::customer::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
