//! Where a page of a list starts: after a key, never after a number of rows.

use sea_orm::{ColumnTrait, Condition, DbBackend, ExprTrait, Value, sea_query::Expr};

/// The rows after the one with this `key` and `id`, or before it if `descending`.
///
/// PostgreSQL and SQLite enter an index at a comparison of rows; MySQL does so at this disjunction.
pub(crate) fn beyond<C: ColumnTrait>(
    backend: DbBackend,
    (column, key): (C, Value),
    (id_column, id): (C, i64),
    descending: bool,
) -> Condition {
    if backend == DbBackend::MySql {
        let (by_key, by_id) = if descending {
            (column.lt(key.clone()), id_column.lt(id))
        } else {
            (column.gt(key.clone()), id_column.gt(id))
        };
        let tied = Condition::all().add(column.eq(key)).add(by_id);
        return Condition::any().add(by_key).add(tied);
    }
    let row = Expr::tuple([column, id_column].map(|column| Expr::col(column.as_column_ref())));
    let start = Expr::tuple([Expr::val(key), Expr::val(id)]);
    Condition::all().add(if descending { row.lt(start) } else { row.gt(start) })
}
