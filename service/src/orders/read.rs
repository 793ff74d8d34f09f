//! Lists and streams of orders.

use chrono::NaiveDateTime;
use entity::orders::{
    self,
    Column::{CustomerId, Id, OrderTime},
};
use futures_util::Stream;
use sea_orm::{ConnectionTrait, QuerySelect, QueryTrait, Select};

use super::{
    Expand, Order, OrderCustomer, OrderFilter, OrderSort,
    joined::{first_page, with_address, with_customer},
    lines,
    select::{Shape, filtered, with_one_bound},
};
use crate::{
    Database, Result,
    customers::{self, Address},
    database::query::CompiledQuery,
    pagination::{Page, PageRequest, SortField, pages},
};

/// Columns of an order: id, customer, time.
type Row = (i64, i64, NaiveDateTime);

/// The same with the customer's name.
type WithCustomerRow = (i64, i64, NaiveDateTime, String);

/// The same with the customer's address.
type WithAddressRow = (i64, i64, NaiveDateTime, String, i32, i32);

/// Returns a page of orders. Two statements however many they are, one if there are none: the customer and the
/// address are joined if expanded, the lines of the whole page are loaded with their items. Two statements more if the
/// lines may be too large, to end the page earlier.
///
/// Compiled, for the pages of streams.
pub async fn list(
    db: &impl ConnectionTrait,
    page: &PageRequest<OrderSort>,
    filter: OrderFilter,
    expand: Expand,
) -> Result<Page<Order>> {
    static PLAIN: CompiledQuery<Row, Shape> = CompiledQuery::new();
    static WITH_CUSTOMER: CompiledQuery<WithCustomerRow, Shape> = CompiledQuery::new();
    static WITH_ADDRESS: CompiledQuery<WithAddressRow, Shape> = CompiledQuery::new();
    let (start, filter) = with_one_bound(page, filter);
    let (shape, values) = Shape::of(&start, filter, db.get_database_backend());
    let select = |backend| columns(start.apply(filtered(filter), backend));
    let orders: Vec<Order> = if expand.address {
        let build = |backend| with_address(with_customer(select(backend))).into_query();
        let rows = WITH_ADDRESS.all(db, shape, values, build).await?;
        rows.into_iter().map(order_with_address).collect()
    } else if expand.customer {
        let build = |backend| with_customer(select(backend)).into_query();
        let rows = WITH_CUSTOMER.all(db, shape, values, build).await?;
        rows.into_iter().map(order_with_customer).collect()
    } else {
        let rows = PLAIN.all(db, shape, values, |backend| select(backend).into_query()).await?;
        rows.into_iter().map(order).collect()
    };
    let Page { mut rows, mut next } = page.page(orders);
    let are_complete = lines::load(db, &mut rows, expand.item, page.max_bytes).await?;
    if !are_complete {
        next = rows.last().map(|last| page.sort.field.cursor(last));
    }
    Ok(Page { rows, next })
}

fn columns(orders: Select<orders::Entity>) -> Select<orders::Entity> {
    orders.select_only().columns([Id, CustomerId, OrderTime])
}

fn order(row: Row) -> Order {
    Order::without_lines(row, None)
}

fn order_with_customer((id, customer_id, time, name): WithCustomerRow) -> Order {
    let customer = OrderCustomer { id: customer_id, name, address: None };
    Order::without_lines((id, customer_id, time), Some(customer))
}

fn order_with_address(row: WithAddressRow) -> Order {
    let (id, customer_id, time, name, flat_number, post_code) = row;
    let address = Some(Address { flat_number, post_code });
    let customer = OrderCustomer { id: customer_id, name, address };
    Order::without_lines((id, customer_id, time), Some(customer))
}

/// Returns a page of one customer's orders like [`list`], with one statement more, which looks up the customer.
///
/// # Errors
/// [`crate::Error::NotFound`] for an unknown customer.
pub async fn list_of_customer(
    db: &impl ConnectionTrait,
    customer_id: i64,
    page: &PageRequest<OrderSort>,
    expand: Expand,
) -> Result<Page<Order>> {
    customers::require(db, customer_id).await?;
    let filter = OrderFilter { customer_id: Some(customer_id), ..OrderFilter::default() };
    list(db, page, filter, expand).await
}

/// Number of orders in a page of a stream, each with up to [`crate::domain::MAX_LINES`] lines.
const STREAM_PAGE: u64 = 100;

/// Streams the orders that match `filter` in ascending order, with their lines, and with their customer if
/// `with_customer`. One statement for the first orders, which join their lines (not on MySQL); then two statements per
/// page of 100, or of as many as fit into a megabyte, as in [`list`].
pub fn stream(
    db: Database,
    filter: OrderFilter,
    field: OrderSort,
    with_customer: bool,
) -> impl Stream<Item = Result<Page<Order>>> {
    pages(move |after| {
        let db = db.clone();
        async move {
            let reader = db.page_reader(after.is_none());
            let page = PageRequest::ascending(field, STREAM_PAGE, after);
            if page.after.is_none() {
                let first = first_page(reader, &page, filter, with_customer).await?;
                if let Some(first) = first {
                    return Ok(first);
                }
            }
            let expand = Expand { customer: with_customer, ..Expand::default() };
            list(reader, &page, filter, expand).await
        }
    })
}
