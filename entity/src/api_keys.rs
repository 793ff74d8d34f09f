//! API keys, with a digest of their secret.

use sea_orm::entity::prelude::*;

/// Role of an API key. Each role includes the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::N(16))")]
pub enum Role {
    /// May read.
    #[sea_orm(string_value = "reader")]
    Reader,
    /// May place orders.
    #[sea_orm(string_value = "writer")]
    Writer,
    /// May change customers, items and prices.
    #[sea_orm(string_value = "admin")]
    Admin,
}

impl Role {
    /// Roles, the least powerful first.
    pub const ALL: [Self; 3] = [Self::Reader, Self::Writer, Self::Admin];

    /// Returns the name, as it is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Writer => "writer",
            Self::Admin => "admin",
        }
    }
}

/// Row of `api_keys`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "api_keys")]
pub struct Model {
    /// Public part of the key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// Name of the holder or the purpose.
    pub name: String,
    pub role: Role,
    pub secret_hash: String,
    pub created_at: DateTime,
    /// Time from which the key is refused: UTC.
    pub expires_at: Option<DateTime>,
    pub revoked_at: Option<DateTime>,
    /// Time of the last use, some minutes behind: UTC.
    pub last_used_at: Option<DateTime>,
}

impl ActiveModelBehavior for ActiveModel {}
