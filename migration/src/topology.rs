//! Topology of the servers.

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, Statement};

use crate::{Error, Result};

/// Refuses a group of MySQL servers of which several take writes: changes of the schema at several members stop the
/// group. Its documentation forbids them:
/// <https://dev.mysql.com/doc/refman/8.4/en/group-replication-limitations.html>.
///
/// # Errors
/// [`Error::MultiPrimary`]
pub async fn refuse_multi_primary(db: &DatabaseConnection) -> Result<()> {
    if db.get_database_backend() != DbBackend::MySql {
        return Ok(());
    }
    let mode = variable(db, "group_replication_single_primary_mode").await?;
    if mode.as_deref() == Some("OFF") { Err(Error::MultiPrimary) } else { Ok(()) }
}

/// Returns a variable of a MySQL server, if it has it.
async fn variable(db: &DatabaseConnection, name: &str) -> Result<Option<String>, DbErr> {
    let show = format!("SHOW GLOBAL VARIABLES LIKE '{name}'");
    let row = db.query_one_raw(Statement::from_string(DbBackend::MySql, show)).await?;
    row.map(|row| row.try_get_by_index(1)).transpose()
}
