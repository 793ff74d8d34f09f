//! Secrets of the service, which all its processes share.

use sea_orm::entity::prelude::*;

/// Row of `secrets`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "secrets")]
pub struct Model {
    /// Use of the secret.
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// Random bytes in base64url.
    pub value: String,
}

impl ActiveModelBehavior for ActiveModel {}
