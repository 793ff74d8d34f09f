//! `/api/v1/orders`

use actix_web::{HttpResponse, web::Data};
use deserr::{
    Deserr, IntoValue, MergeWithError, Sequence, Value, ValuePointerRef, take_cf_content,
};
use service::{
    Database,
    domain::{OrderLine, OrderLines, Quantity},
    orders::{self, NewOrder, Order, OrderFilter, OrderSort},
};
use utoipa::{IntoParams, ToSchema};

use super::registry::Routes;
use crate::{
    extract::{
        consistency::ReadDatabase,
        domain::EntityId,
        expand::ExpandQuery,
        field_errors::FieldErrors,
        id::Id,
        idempotent::Idempotent,
        page_query::PageQuery,
        preconditions::IfNoneMatch,
        query::{Number, Query},
        timestamp::Timestamp,
    },
    respond::{
        etag,
        page::{self, PageBody},
        problem::Problem,
    },
    server::clock,
};

/// Path of the collection.
pub const COLLECTION: &str = "/api/v1/orders";

/// Adds the routes.
pub fn add_to(routes: Routes) -> Routes {
    routes
        .add(__path_list_orders, list_orders)
        .add(__path_place_order, place_order)
        .add(__path_get_order, get_order)
}

/// Filter of orders.
#[derive(Deserr, IntoParams)]
#[deserr(error = FieldErrors)]
#[into_params(parameter_in = Query)]
pub struct OrderFilterQuery {
    /// Id of the customer who placed the orders.
    #[deserr(default, from(Number) = Some)]
    #[param(value_type = Option<i64>)]
    customer_id: Option<Number>,
    /// Earliest time at which the orders were placed.
    #[param(value_type = Option<chrono::DateTime<chrono::Utc>>, example = "2024-03-18T10:30:00Z")]
    #[deserr(default, from(Timestamp) = Some)]
    placed_from: Option<Timestamp>,
    /// Time before which the orders were placed.
    #[param(value_type = Option<chrono::DateTime<chrono::Utc>>, example = "2024-03-18T10:30:00Z")]
    #[deserr(default, from(Timestamp) = Some)]
    placed_before: Option<Timestamp>,
}

impl From<OrderFilterQuery> for OrderFilter {
    fn from(query: OrderFilterQuery) -> Self {
        let OrderFilterQuery { customer_id, placed_from, placed_before } = query;
        Self {
            customer_id: customer_id.map(|Number(id)| id),
            placed_from: placed_from.map(|time| time.0),
            placed_before: placed_before.map(|time| time.0),
            placed_until: None,
        }
    }
}

/// Returns a page of the orders with their lines.
#[utoipa::path(get, path = "/api/v1/orders", tag = "orders",
    params(PageQuery::<OrderSort>, OrderFilterQuery, ExpandQuery, ReadDatabase),
    responses((status = 200, description = "Page of orders", body = PageBody<Order>,
        headers(("Link" = String, description = "Next page, unless this is the last one")))))]
async fn list_orders(
    db: ReadDatabase,
    query: PageQuery<OrderSort>,
    filter: Query<OrderFilterQuery>,
    expand: ExpandQuery,
) -> Result<HttpResponse, Problem> {
    let filter = filter.0.into();
    let orders = orders::list(db.reader(), &query.request, filter, expand.0).await?;
    page::page(&query, orders)
}

/// Returns the order with its lines.
#[utoipa::path(get, path = "/api/v1/orders/{id}", tag = "orders",
    params(Id, ExpandQuery, IfNoneMatch, ReadDatabase),
    responses((status = 200, description = "The order", body = Order, headers(("ETag" = String))),
        (status = 304, description = "The client has the current version")))]
async fn get_order(
    db: ReadDatabase,
    id: Id,
    expand: ExpandQuery,
    if_none_match: IfNoneMatch,
) -> Result<HttpResponse, Problem> {
    etag::unless_match(&if_none_match, &orders::get(db.reader(), id.id, expand.0).await?)
}

/// New order.
#[derive(Deserr, ToSchema)]
#[deserr(error = FieldErrors, deny_unknown_fields)]
#[serde(deny_unknown_fields)]
#[schema(as = NewOrder)]
pub struct NewOrderBody {
    /// Id of the customer.
    #[schema(value_type = i64, minimum = 1, example = 1)]
    customer_id: EntityId,
    /// Lines, each of another item.
    #[schema(value_type = Vec<NewLineBody>, min_items = 1, max_items = 100)]
    items: Lines,
}

/// Line of a new order.
#[derive(Deserr, ToSchema)]
#[deserr(error = FieldErrors, deny_unknown_fields)]
#[serde(deny_unknown_fields)]
#[schema(as = NewLine, example = json!({"id": 2, "quantity": 4}))]
struct NewLineBody {
    /// Id of the item.
    #[schema(value_type = i64, minimum = 1, example = 2)]
    id: EntityId,
    /// Number of pieces.
    #[schema(inline)]
    quantity: Quantity,
}

/// Lines of a new order. Their number is checked first, so that the errors in a list of thousands are not read.
struct Lines(OrderLines);

impl Deserr<FieldErrors> for Lines {
    fn deserialize_from_value<V: IntoValue>(
        value: Value<V>,
        location: ValuePointerRef<'_>,
    ) -> Result<Self, FieldErrors> {
        let refuse = |error| take_cf_content(FieldErrors::merge(None, error, location));
        if let Value::Sequence(lines) = &value {
            OrderLines::check_count(lines.len()).map_err(refuse)?;
        }
        let lines = Vec::<NewLineBody>::deserialize_from_value(value, location)?;
        let line = |NewLineBody { id, quantity }| OrderLine { item_id: id.get(), quantity };
        let lines = OrderLines::try_from(lines.into_iter().map(line).collect::<Vec<_>>());
        lines.map(Self).map_err(refuse)
    }
}

impl From<NewOrderBody> for NewOrder {
    fn from(body: NewOrderBody) -> Self {
        let NewOrderBody { customer_id, items: Lines(lines) } = body;
        Self { customer_id: customer_id.get(), lines }
    }
}

/// Places an order at the current prices of the items.
#[utoipa::path(post, path = "/api/v1/orders", tag = "orders", request_body = NewOrderBody,
    params(Idempotent::<NewOrderBody>),
    responses((status = 201, description = "The order", body = Order,
        headers(("Location" = String), ("ETag" = String), ("Idempotency-Replayed" = String, description = "`true` for a repeated request")))))]
async fn place_order(
    db: Data<Database>,
    request: Idempotent<NewOrderBody>,
) -> Result<HttpResponse, Problem> {
    let Idempotent { body, key } = request;
    let created = orders::place(&db, body.into(), key, clock::now()).await?;
    Ok(etag::created(COLLECTION, created))
}

#[cfg(test)]
mod tests {
    use service::domain::MAX_LINES;
    use utoipa::PartialSchema;

    use super::NewOrderBody;

    #[test]
    fn the_described_number_of_lines_is_that_of_the_domain() {
        let schema = serde_json::to_value(NewOrderBody::schema()).unwrap();
        assert_eq!(schema["properties"]["items"]["maxItems"], MAX_LINES);
    }
}
