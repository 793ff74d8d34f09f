//! Conditions that enter an index: keyset and prefix.

use sea_orm::{
    ColumnTrait, Condition, DbBackend, ExprTrait, Value,
    sea_query::{Expr, Func},
};

/// Condition for the rows after the one with this `key` and `id`, or before it if `descending`. Without a key the list is
/// sorted by id.
///
/// PostgreSQL and SQLite enter an index by a comparison of rows, MySQL by the equivalent disjunction.
pub(crate) fn keyset_condition<C: ColumnTrait>(
    backend: DbBackend,
    key: Option<(C, Value)>,
    (id_column, id): (C, Value),
    descending: bool,
) -> Condition {
    let Some((column, key)) = key else {
        let by_id = if descending { id_column.lt(id) } else { id_column.gt(id) };
        return Condition::all().add(by_id);
    };
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

/// Condition for values of `column` that start with `prefix`, case-sensitive on every database.
pub(crate) fn starts_with<C: ColumnTrait>(
    backend: DbBackend,
    column: C,
    prefix: &str,
) -> Condition {
    let mut condition = Condition::all().add(column.gte(prefix));
    if let Some(end) = successor(prefix) {
        condition = condition.add(column.lt(end));
    }
    if backend == DbBackend::MySql {
        // MySQL ignores trailing spaces in comparisons, so "Kit" is not less than "Kit ".
        let column = Expr::col(column.as_column_ref());
        let position = Func::cust("LOCATE").arg(prefix).arg(column);
        condition = condition.add(Expr::expr(position).eq(1));
    }
    condition
}

/// Returns the least text that is greater than all texts that start with `prefix`.
fn successor(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        if let Some(next) = (last..=char::MAX).nth(1) {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use entity::item::{self, Column};
    use sea_orm::{EntityTrait, QueryFilter, QueryTrait};

    use super::*;

    fn sql(backend: DbBackend, descending: bool) -> String {
        let key = Some((Column::Name, Value::from("Kit Kat")));
        let condition =
            keyset_condition(backend, key, (Column::Id, Value::from(2_i64)), descending);
        let sql = item::Entity::find().filter(condition).build(backend).to_string();
        sql.split_once(" WHERE ").unwrap().1.to_owned()
    }

    #[test]
    fn a_page_starts_after_key_and_id_in_the_form_that_enters_an_index() {
        assert_eq!(
            sql(DbBackend::Postgres, false),
            r#"("item"."name", "item"."id") > ('Kit Kat', 2)"#
        );
        assert_eq!(
            sql(DbBackend::Sqlite, true),
            r#"("item"."name", "item"."id") < ('Kit Kat', 2)"#
        );
        assert_eq!(
            sql(DbBackend::MySql, false),
            "`item`.`name` > 'Kit Kat' OR (`item`.`name` = 'Kit Kat' AND `item`.`id` > 2)"
        );
        assert_eq!(
            sql(DbBackend::MySql, true),
            "`item`.`name` < 'Kit Kat' OR (`item`.`name` = 'Kit Kat' AND `item`.`id` < 2)"
        );
    }

    #[test]
    fn a_successor_is_greater_than_all_texts_with_the_prefix() {
        assert_eq!(successor("Kit"), Some("Kiu".to_owned()));
        assert_eq!(successor("\u{d7ff}"), Some("\u{e000}".to_owned()));
        assert_eq!(successor("a\u{10ffff}"), Some("b".to_owned()));
        assert_eq!(successor("\u{10ffff}"), None);
        assert_eq!(successor(""), None);
    }
}
