//! Schema migrations: one file per migration, never edited after its release.
//!
//! Both `cargo run -p migration -- …` and `marketsvc migrate …` call [`run`].

mod command;
mod connection;
mod error;
mod history;
mod lock;
mod m20261122_000001_create_marketplace;
mod m20261122_000002_create_idempotency_keys;
mod m20261122_000003_create_api_keys;
mod m20261124_000004_create_secrets;
mod m20261124_000005_add_last_used_to_api_keys;
mod m20261124_000006_create_bulk_loads;
mod schema;
mod topology;

pub use command::{Command, run};
pub use error::{Error, Result};
pub use history::pending;
use sea_orm_migration::{MigrationTrait, MigratorTrait};

/// The list of migrations, oldest first.
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261122_000001_create_marketplace::Migration),
            Box::new(m20261122_000002_create_idempotency_keys::Migration),
            Box::new(m20261122_000003_create_api_keys::Migration),
            Box::new(m20261124_000004_create_secrets::Migration),
            Box::new(m20261124_000005_add_last_used_to_api_keys::Migration),
            Box::new(m20261124_000006_create_bulk_loads::Migration),
        ]
    }
}
