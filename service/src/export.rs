//! Everything, page by page: one statement each, and no more rows in memory than a page holds.

use futures_util::Stream;

use crate::{
    Database, Result,
    customers::{self, Customer},
    list::{Page, Window},
    orders::{self, Expand, Order, OrderField, OrderFilter},
    pages::pages,
};

/// Orders in a page, each with up to [`orders::MAX_LINES`] lines.
const ORDERS: u64 = 100;

/// All customers with their addresses, by id.
pub fn customers(db: Database) -> impl Stream<Item = Result<Page<Customer>>> {
    pages(move |after| {
        let db = db.clone();
        async move { customers::list_all(db.reader(), after).await }
    })
}

/// The orders with their lines, sorted by `field`.
pub fn orders(
    db: Database,
    filter: OrderFilter,
    field: OrderField,
    expand: Expand,
) -> impl Stream<Item = Result<Page<Order>>> {
    pages(move |after| {
        let db = db.clone();
        async move {
            let window = Window::ascending(field, ORDERS, after);
            orders::list(db.reader(), &window, filter, expand).await
        }
    })
}
