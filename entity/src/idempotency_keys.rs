//! What a request with an `Idempotency-Key` was answered, so that the same request is answered the same.

use sea_orm::entity::prelude::*;

/// A row of `idempotency_keys`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "idempotency_keys")]
pub struct Model {
    /// Whose key it is; empty for a caller without a name.
    #[sea_orm(primary_key, auto_increment = false)]
    pub caller: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub idempotency_key: String,
    /// What tells this request from another with the same key.
    pub fingerprint: String,
    /// What the request made.
    pub resource_id: i64,
    /// The answer's body.
    #[sea_orm(column_type = "Text")]
    pub body: String,
    /// From when on the key is as good as new: UTC.
    pub expires_at: DateTime,
}

impl ActiveModelBehavior for ActiveModel {}
