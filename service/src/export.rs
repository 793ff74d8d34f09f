//! Everything, page by page, for a file.

use futures_util::Stream;

use crate::{
    Database, Result,
    customers::{self, Customer, CustomerField},
    list::{Key, Position, Sort, Window},
    orders::{self, Expand, Order, OrderField, OrderFilter},
    pages::pages,
};

/// All customers by id, one statement a page.
pub fn customers(db: Database) -> impl Stream<Item = Result<Vec<Customer>>> {
    const PAGE: u64 = 500;
    pages(
        PAGE,
        move |after| {
            let db = db.clone();
            async move {
                let window = by_id(CustomerField::Id, PAGE, after);
                Ok(customers::list(db.reader(), &window, None).await?.rows)
            }
        },
        |customer: &Customer| customer.id,
    )
}

/// The orders by id with their lines, two statements a page.
pub fn orders(db: Database, filter: OrderFilter) -> impl Stream<Item = Result<Vec<Order>>> {
    const PAGE: u64 = 100;
    pages(
        PAGE,
        move |after| {
            let db = db.clone();
            async move {
                let window = by_id(OrderField::Id, PAGE, after);
                Ok(orders::list(db.reader(), &window, filter, Expand::default()).await?.rows)
            }
        },
        |order: &Order| order.id,
    )
}

fn by_id<Field>(field: Field, limit: u64, after: Option<i64>) -> Window<Field> {
    let after = after.map(|id| Position { key: Key::Number(id), id });
    Window { limit, sort: Sort { field, descending: false }, after }
}
