//! A key to the API: of its secret there is a digest only.

use sea_orm::entity::prelude::*;

/// What a key is good for. Each role may do whatever the one before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::N(16))")]
pub enum Role {
    /// Reads.
    #[sea_orm(string_value = "reader")]
    Reader,
    /// Places orders.
    #[sea_orm(string_value = "writer")]
    Writer,
    /// Changes customers, items and prices.
    #[sea_orm(string_value = "admin")]
    Admin,
}

impl Role {
    /// The smallest first.
    pub const ALL: [Self; 3] = [Self::Reader, Self::Writer, Self::Admin];

    /// As it is written everywhere.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Writer => "writer",
            Self::Admin => "admin",
        }
    }
}

/// A row of `api_keys`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "api_keys")]
pub struct Model {
    /// The public part of the key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// Whose it is, or what it is for.
    pub name: String,
    pub role: Role,
    pub secret_hash: String,
    pub created_at: DateTime,
    /// From when on it is no longer good: UTC.
    pub expires_at: Option<DateTime>,
    pub revoked_at: Option<DateTime>,
}

impl ActiveModelBehavior for ActiveModel {}
