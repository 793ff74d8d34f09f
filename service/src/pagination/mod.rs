//! Keyset pagination: a page starts after a key, never after a number of rows.
//!
//! Page 1,000 costs as much as page 1, and rows inserted or deleted in the meantime make no other row appear twice or
//! get lost.

mod keyset;
mod stream;

use chrono::NaiveDateTime;
pub(crate) use keyset::{keyset_condition, starts_with};
use sea_orm::{
    DbBackend, EntityTrait, IdenStatic, Order, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    Select, Value,
};
use serde::{Deserialize, Serialize};
pub(crate) use stream::pages;

use crate::domain::{Name, is_storable};

/// Greatest number of rows of a page that a client may ask for.
pub const MAX_PAGE_SIZE: u64 = 100;

/// Least value of [`PageRequest::max_bytes`]: every single row is smaller, and every page of rows without lists.
pub const MIN_PAGE_BYTES: usize = 1024 * 1024;

/// Rows of a list.
#[derive(Clone, Debug)]
pub struct Page<Row> {
    /// Rows in the requested order.
    pub rows: Vec<Row>,
    /// Start of the next page; `None` on the last one.
    pub next: Option<Cursor>,
}

impl<Row> Page<Row> {
    /// Converts each row.
    pub fn map<Other>(self, convert: impl FnMut(Row) -> Other) -> Page<Other> {
        Page { rows: self.rows.into_iter().map(convert).collect(), next: self.next }
    }
}

/// Position in a sorted list: after the row with this value of the sorted column and this id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Value by which the list is sorted.
    pub key: SortValue,
    /// Id, which decides between equal values.
    pub id: i64,
}

/// Value of a column by which a list may be sorted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SortValue {
    /// An id or an amount in cents.
    Number(i64),
    /// A name.
    Text(String),
    /// A time, UTC.
    Time(NaiveDateTime),
}

impl SortValue {
    /// Returns whether the value is text that a name may hold.
    pub(crate) fn is_name(&self) -> bool {
        let is_stored = |text: &str| {
            text.chars().count() <= Name::MAX_CHARS && !text.chars().any(char::is_control)
        };
        matches!(self, Self::Text(text) if is_stored(text))
    }

    /// Returns whether the value is an id or an amount in cents.
    pub(crate) fn is_number(&self) -> bool {
        matches!(self, Self::Number(0..))
    }

    /// Returns whether the value is a time that every driver can encode.
    pub(crate) fn is_time(&self) -> bool {
        matches!(self, Self::Time(time) if is_storable(*time))
    }
}

impl From<SortValue> for Value {
    fn from(value: SortValue) -> Self {
        match value {
            SortValue::Number(number) => number.into(),
            SortValue::Text(text) => text.into(),
            SortValue::Time(time) => time.into(),
        }
    }
}

/// Order of a list. Rows with equal values are sorted by id, in the same direction.
#[derive(Clone, Copy, Debug)]
pub struct Sort<Field> {
    /// Field by which the list is sorted.
    pub field: Field,
    /// True if the greatest value comes first.
    pub descending: bool,
}

/// Field by which a list may be sorted.
pub trait SortField: Copy + 'static {
    /// Entity of the list.
    type Entity: EntityTrait;
    /// Rows of the list.
    type Row;

    /// Fields with their names.
    const ALL: &'static [(&'static str, Self)];

    /// Id column of the entity.
    const ID: <Self::Entity as EntityTrait>::Column;

    /// Returns the field's column.
    fn column(self) -> <Self::Entity as EntityTrait>::Column;

    /// Returns whether the field is the id, which decides between equal values of the others.
    fn is_id(self) -> bool {
        self.column().as_str() == Self::ID.as_str()
    }

    /// Returns whether `value` may be a value of the field.
    fn accepts(self, value: &SortValue) -> bool;

    /// Returns the cursor after `row`.
    fn cursor(self, row: &Self::Row) -> Cursor;
}

/// Request for a page of a list.
#[derive(Clone, Debug)]
pub struct PageRequest<Field> {
    /// Number of rows.
    pub limit: u64,
    /// Maximum size of the rows as JSON, apart from escape sequences: a page of larger rows ends earlier.
    pub max_bytes: usize,
    /// Order of the list.
    pub sort: Sort<Field>,
    /// Start of the page; `None` for the first page.
    pub after: Option<Cursor>,
}

impl<Field: SortField> PageRequest<Field> {
    /// Requests `limit` rows in ascending order.
    pub(crate) fn ascending(field: Field, limit: u64, after: Option<Cursor>) -> Self {
        Self { limit, max_bytes: MIN_PAGE_BYTES, sort: Sort { field, descending: false }, after }
    }

    /// Restricts `select` to the page, and one more row, from which [`PageRequest::page`] learns of a next page.
    pub(crate) fn apply(
        &self,
        select: Select<Field::Entity>,
        backend: DbBackend,
    ) -> Select<Field::Entity> {
        let Sort { field, descending } = self.sort;
        let order = if descending { Order::Desc } else { Order::Asc };
        let select = select.apply_if(self.after.clone(), |select, Cursor { key, id }| {
            let key = (!field.is_id()).then(|| (field.column(), key.into()));
            select.filter(keyset_condition(backend, key, (Field::ID, id.into()), descending))
        });
        let select =
            if field.is_id() { select } else { select.order_by(field.column(), order.clone()) };
        select.order_by(Field::ID, order).limit(self.limit.saturating_add(1))
    }

    /// Makes a page of the rows found.
    pub(crate) fn page(&self, mut rows: Vec<Field::Row>) -> Page<Field::Row> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let last = rows.last().filter(|_| more);
        let next = last.map(|row| self.sort.field.cursor(row));
        Page { rows, next }
    }
}
