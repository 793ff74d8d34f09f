//! Selection of orders: relations to load, filters, sort fields.

use chrono::{DateTime, Utc};
use entity::orders::{self, Column};
use sea_orm::{ColumnTrait, DbBackend, EntityTrait, QueryFilter, QueryTrait, Select, Value};

use super::Order;
use crate::pagination::{Cursor, PageRequest, SortField, SortValue};

/// Relations that are loaded with orders beside their lines. Relations that are not expanded are not queried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expand {
    /// Customer.
    pub customer: bool,
    /// Customer with the address.
    pub address: bool,
    /// Items of the lines as they are today.
    pub item: bool,
}

impl Expand {
    /// Names of the relations.
    pub const KNOWN: [&'static str; 3] = ["customer", "customer.address", "items.item"];

    /// Adds the relation called `name`; returns `false` if there is none.
    pub fn add(&mut self, name: &str) -> bool {
        match name {
            "customer" => self.customer = true,
            "customer.address" => (self.customer, self.address) = (true, true),
            "items.item" => self.item = true,
            _ => return false,
        }
        true
    }
}

/// Filter of orders; `None` does not restrict them.
#[derive(Clone, Copy, Debug, Default)]
pub struct OrderFilter {
    /// Customer who placed the order.
    pub customer_id: Option<i64>,
    /// Earliest time.
    pub placed_from: Option<DateTime<Utc>>,
    /// Time before which the order was placed.
    pub placed_before: Option<DateTime<Utc>>,
    /// Latest time.
    pub placed_until: Option<DateTime<Utc>>,
}

/// Field by which orders are sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderSort {
    /// Id.
    Id,
    /// Time at which the order was placed.
    OrderTime,
}

impl SortField for OrderSort {
    type Entity = orders::Entity;
    type Row = Order;

    const ALL: &'static [(&'static str, Self)] =
        &[("id", Self::Id), ("order_time", Self::OrderTime)];
    const ID: Column = Column::Id;

    fn column(self) -> Column {
        match self {
            Self::Id => Column::Id,
            Self::OrderTime => Column::OrderTime,
        }
    }

    fn accepts(self, value: &SortValue) -> bool {
        match self {
            Self::Id => value.is_number(),
            Self::OrderTime => value.is_time(),
        }
    }

    fn cursor(self, order: &Order) -> Cursor {
        let key = match self {
            Self::Id => SortValue::Number(order.id),
            Self::OrderTime => SortValue::Time(order.order_time.naive_utc()),
        };
        Cursor { key, id: order.id }
    }
}

/// Selects the orders that match `filter`.
pub(super) fn filtered(filter: OrderFilter) -> Select<orders::Entity> {
    use Column::{CustomerId, OrderTime};
    let OrderFilter { customer_id, placed_from, placed_before, placed_until } = filter;
    orders::Entity::find()
        .apply_if(customer_id, |orders, id| orders.filter(CustomerId.eq(id)))
        .apply_if(placed_from, |orders, from| orders.filter(OrderTime.gte(from.naive_utc())))
        .apply_if(placed_before, |orders, before| orders.filter(OrderTime.lt(before.naive_utc())))
        .apply_if(placed_until, |orders, until| orders.filter(OrderTime.lte(until.naive_utc())))
}

/// Drops the less selective of two lower bounds (descending: upper bounds) of the index by time: the cursor's and the
/// filter's. With both, SQLite may choose the less selective one and read every row between, for each page.
pub(super) fn with_one_bound(
    page: &PageRequest<OrderSort>,
    mut filter: OrderFilter,
) -> (PageRequest<OrderSort>, OrderFilter) {
    let mut page = page.clone();
    let Some(Cursor { key: SortValue::Time(time), .. }) = page.after else { return (page, filter) };
    let cursor_is_nearer = if page.sort.descending {
        filter.placed_before.is_none_or(|before| time < before.naive_utc())
            && filter.placed_until.is_none_or(|until| time <= until.naive_utc())
    } else {
        filter.placed_from.is_none_or(|from| time >= from.naive_utc())
    };
    if !cursor_is_nearer {
        page.after = None;
    } else if page.sort.descending {
        (filter.placed_before, filter.placed_until) = (None, None);
    } else {
        filter.placed_from = None;
    }
    (page, filter)
}

/// Parts of a request that decide about the text of its query.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Shape {
    field: OrderSort,
    descending: bool,
    limit: u64,
    filters: [bool; 4],
    after: bool,
}

impl Shape {
    /// Returns the shape of a request with the values to bind, in the order in which [`filtered`] and
    /// [`PageRequest::apply`] bind them: the cursor's key, on MySQL twice, unless it is the id; then the id.
    pub(super) fn of(
        page: &PageRequest<OrderSort>,
        filter: OrderFilter,
        backend: DbBackend,
    ) -> (Self, Vec<Value>) {
        let OrderFilter { customer_id, placed_from, placed_before, placed_until } = filter;
        let time = |time: DateTime<Utc>| Value::from(time.naive_utc());
        let filters = [
            customer_id.map(Value::from),
            placed_from.map(time),
            placed_before.map(time),
            placed_until.map(time),
        ];
        let after = page.after.clone().map(|Cursor { key, id }| {
            let times = match backend {
                _ if page.sort.field.is_id() => 0,
                DbBackend::MySql => 2,
                _ => 1,
            };
            std::iter::repeat_n(Value::from(key), times).chain([id.into()])
        });
        let shape = Self {
            field: page.sort.field,
            descending: page.sort.descending,
            limit: page.limit,
            filters: filters.each_ref().map(Option::is_some),
            after: after.is_some(),
        };
        let values = filters.into_iter().flatten().chain(after.into_iter().flatten()).collect();
        (shape, values)
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::pagination::Sort;

    fn day(day: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(day)
    }

    fn bounds(descending: bool, cursor: i64, filter: OrderFilter) -> (bool, OrderFilter) {
        let after = Cursor { key: SortValue::Time(day(cursor).naive_utc()), id: 1 };
        let sort = Sort { field: OrderSort::OrderTime, descending };
        let page = PageRequest { limit: 1, max_bytes: 1, sort, after: Some(after) };
        let (page, filter) = with_one_bound(&page, filter);
        (page.after.is_some(), filter)
    }

    #[test]
    fn the_nearer_of_cursor_and_filter_is_kept() {
        let from = OrderFilter { placed_from: Some(day(5)), ..OrderFilter::default() };
        let (cursor, filter) = bounds(false, 7, from);
        assert!(cursor && filter.placed_from.is_none());
        let (cursor, filter) = bounds(false, 3, from);
        assert!(!cursor && filter.placed_from.is_some());
        let before = OrderFilter { placed_before: Some(day(5)), ..OrderFilter::default() };
        let (cursor, filter) = bounds(true, 3, before);
        assert!(cursor && filter.placed_before.is_none());
        let (cursor, filter) = bounds(true, 7, before);
        assert!(!cursor && filter.placed_before.is_some());
        // A bound at the other end stays in any case.
        let (cursor, filter) = bounds(false, 3, before);
        assert!(cursor && filter.placed_before.is_some());
    }

    #[test]
    fn the_values_of_a_shape_are_those_that_the_query_binds() {
        let after = |key| Some(Cursor { key, id: 7 });
        let time = SortValue::Time(day(3).naive_utc());
        let all = OrderFilter {
            customer_id: Some(5),
            placed_from: Some(day(1)),
            placed_before: Some(day(9)),
            placed_until: Some(day(8)),
        };
        for (field, after) in [
            (OrderSort::Id, None),
            (OrderSort::Id, after(SortValue::Number(7))),
            (OrderSort::OrderTime, after(time)),
        ] {
            for filter in [OrderFilter::default(), all] {
                for backend in [DbBackend::Sqlite, DbBackend::Postgres, DbBackend::MySql] {
                    let page = PageRequest::ascending(field, 10, after.clone());
                    let query = page.apply(filtered(filter), backend).into_query();
                    let (_, values) = Shape::of(&page, filter, backend);
                    let bound = backend.build(&query).values.map_or(Vec::new(), |bound| bound.0);
                    // The limit comes last.
                    assert_eq!(bound.split_last().unwrap().1, values, "{backend:?} {field:?}");
                }
            }
        }
    }
}
