//! Lists by key: a page says where the next one starts, so that page 1,000 costs what page 1 costs, and
//! rows that come or go meanwhile make none appear twice or not at all.

use chrono::NaiveDateTime;
use sea_orm::{
    ColumnTrait, Condition, DbBackend, EntityTrait, ExprTrait, Order, QueryFilter, QueryOrder,
    QuerySelect, Select, Value,
    sea_query::{Expr, Func},
};
use serde::{Deserialize, Serialize};

use crate::keyset::beyond;

/// The most rows of a page.
pub const MAX_LIMIT: u64 = 100;

/// Some rows of a list.
#[derive(Clone, Debug)]
pub struct Page<Row> {
    /// The rows, in the order asked for.
    pub rows: Vec<Row>,
    /// Where the next page starts; `None` on the last one.
    pub next: Option<Position>,
}

impl<Row> Page<Row> {
    /// The same page with each row in another form.
    pub fn map<Other>(self, form: impl FnMut(Row) -> Other) -> Page<Other> {
        Page { rows: self.rows.into_iter().map(form).collect(), next: self.next }
    }
}

/// A place between two rows: after the row with this value of the sorted column, and this id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The value by which the list is sorted.
    pub key: Key,
    /// What decides between equal values.
    pub id: i64,
}

/// The value of a column that a list may be sorted by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Key {
    /// An id, or cents.
    Number(i64),
    /// A name.
    Text(String),
    /// A time, UTC.
    Time(NaiveDateTime),
}

impl Key {
    /// Whether it is text that a name can be.
    pub(crate) fn is_name(&self) -> bool {
        matches!(self, Self::Text(text) if !text.chars().any(char::is_control))
    }
}

impl From<Key> for Value {
    fn from(key: Key) -> Self {
        match key {
            Key::Number(number) => number.into(),
            Key::Text(text) => text.into(),
            Key::Time(time) => time.into(),
        }
    }
}

/// How a list is sorted; rows with equal values are sorted by id, the same way round.
#[derive(Clone, Copy, Debug)]
pub struct Sort<Field> {
    /// By what.
    pub field: Field,
    /// Largest first.
    pub descending: bool,
}

/// A field that a list may be sorted by.
pub trait SortField: Copy + 'static {
    /// The entity whose list it is.
    type Entity: EntityTrait;
    /// What the list holds.
    type Row;

    /// The fields and what they are called.
    const ALL: &'static [(&'static str, Self)];

    /// The id of the entity.
    const ID: <Self::Entity as EntityTrait>::Column;

    /// The field's column.
    fn column(self) -> <Self::Entity as EntityTrait>::Column;

    /// Whether `key` can be a value of the field.
    fn fits(self, key: &Key) -> bool;

    /// The field's value and the id of a row.
    fn position(self, row: &Self::Row) -> Position;
}

/// Which rows of a list.
#[derive(Clone, Debug)]
pub struct Window<Field> {
    /// How many; 1 to [`MAX_LIMIT`].
    pub limit: u64,
    /// In which order.
    pub sort: Sort<Field>,
    /// From where on; `None` is the start.
    pub after: Option<Position>,
}

impl<Field: SortField> Window<Field> {
    /// `limit` rows, smallest first, after a position or from the start.
    pub(crate) fn ascending(field: Field, limit: u64, after: Option<Position>) -> Self {
        Self { limit, sort: Sort { field, descending: false }, after }
    }

    /// Narrows `select` to the window, and one row more, by which [`Window::page`] knows of a next page.
    pub(crate) fn of(
        &self,
        select: Select<Field::Entity>,
        backend: DbBackend,
    ) -> Select<Field::Entity> {
        let Sort { field, descending } = self.sort;
        let order = if descending { Order::Desc } else { Order::Asc };
        let select = match self.after.clone() {
            Some(Position { key, id }) => {
                let key = (field.column(), key.into());
                select.filter(beyond(backend, key, (Field::ID, id), descending))
            }
            None => select,
        };
        select
            .order_by(field.column(), order.clone())
            .order_by(Field::ID, order)
            .limit(self.limit + 1)
    }

    /// The page that the rows found make.
    pub(crate) fn page(&self, mut rows: Vec<Field::Row>) -> Page<Field::Row> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let last = rows.last().filter(|_| more);
        let next = last.map(|row| self.sort.field.position(row));
        Page { rows, next }
    }
}

/// Whether `column` starts with `prefix`, letter by letter and case by case, on every database.
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
        // There "Kit" is no less than "Kit ": comparisons do not mind spaces at the end.
        let column = Expr::col(column.as_column_ref());
        let position = Func::cust("LOCATE").arg(prefix).arg(column);
        condition = condition.add(Expr::expr(position).eq(1));
    }
    condition
}

/// The least text beyond all that start with `prefix`.
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
    use super::*;

    #[test]
    fn a_successor_is_beyond_all_that_start_the_same() {
        assert_eq!(successor("Kit"), Some("Kiu".to_owned()));
        assert_eq!(successor("\u{d7ff}"), Some("\u{e000}".to_owned()));
        assert_eq!(successor("a\u{10ffff}"), Some("b".to_owned()));
        assert_eq!(successor("\u{10ffff}"), None);
        assert_eq!(successor(""), None);
    }
}
