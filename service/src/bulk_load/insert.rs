//! Insertion of many rows with their ids.

use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, EntityTrait, ExprTrait, IntoActiveModel,
    Iterable, PrimaryKeyToColumn, PrimaryKeyTrait,
    sea_query::{Expr, Func, IntoIden, Query, SelectStatement},
};

use crate::Result;

/// Number of rows in one `INSERT`: within the limit of bound values of every database (32,766 on SQLite); larger
/// statements are not faster.
const ROWS: usize = 1000;

/// Number of rows in one `INSERT` of those after the last thousand. Each number of rows is another statement, which is
/// prepared and cached; a small one costs less.
const REST: usize = 100;

/// Inserts the rows. One statement for each thousand, then one for each hundred; on PostgreSQL one more if the database
/// makes the ids.
pub(crate) async fn insert<E>(txn: &DatabaseTransaction, rows: &[E::Model]) -> Result<()>
where
    E: EntityTrait,
    E::Model: IntoActiveModel<E::ActiveModel> + Clone + Sync,
    E::ActiveModel: Send,
{
    let full = rows.chunks_exact(ROWS);
    let rest = full.remainder().chunks(REST);
    for rows in full.chain(rest) {
        let rows = rows.iter().cloned().map(IntoActiveModel::into_active_model);
        E::insert_many(rows).exec_without_returning(txn).await?;
    }
    // The other databases continue after the greatest id by themselves.
    if txn.get_database_backend() == DbBackend::Postgres
        && let Some(reset) = sequence_reset::<E>()
    {
        txn.query_one(&reset).await?;
    }
    Ok(())
}

/// Statement that sets PostgreSQL's sequence to the greatest id; `None` if the ids come from elsewhere.
fn sequence_reset<E: EntityTrait>() -> Option<SelectStatement> {
    if !E::PrimaryKey::auto_increment() {
        return None;
    }
    let table = E::default();
    let id = E::PrimaryKey::iter().next()?.into_column().into_iden();
    let sequence = Func::cust("pg_get_serial_sequence").arg(table.table_name()).arg(id.to_string());
    let reset = Func::cust("setval").arg(sequence).arg(Expr::col(id).max());
    Some(Query::select().expr(reset).from(table).take())
}
