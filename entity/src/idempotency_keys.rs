//! Answers to requests with an `Idempotency-Key`, for repeated requests.

use sea_orm::entity::prelude::*;

/// Row of `idempotency_keys`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "idempotency_keys")]
pub struct Model {
    /// Id of the caller's API key; empty without authentication.
    #[sea_orm(primary_key, auto_increment = false)]
    pub caller: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub idempotency_key: String,
    /// Digest of the whole request.
    pub fingerprint: String,
    /// Id of the created resource.
    pub resource_id: i64,
    /// Body of the answer.
    #[sea_orm(column_type = "Text")]
    pub body: String,
    /// Time from which the key may be used again: UTC.
    pub expires_at: DateTime,
}

impl ActiveModelBehavior for ActiveModel {}
