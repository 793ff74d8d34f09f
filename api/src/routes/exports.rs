//! `/api/v1/orders/export` and `/api/v1/customers/export`

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{Accept, CONTENT_DISPOSITION, Header, HeaderValue, Quality, VARY},
    },
    web::{Data, Query},
};
use futures_util::Stream;
use serde::{Deserialize, Serialize};
use service::{
    Database,
    customers::Customer,
    export,
    list::Page,
    orders::{Expand, Order, OrderField, OrderFilter},
};
use utoipa::IntoParams;

use crate::{
    csv::{CsvRow, csv},
    openapi::Routes,
    page::NoQuery,
    problem::Problem,
    streaming::ndjson,
    timestamp::Timestamp,
};

/// Adds the routes.
pub fn add_to(routes: Routes) -> Routes {
    routes.add(__path_export_customers, export_customers).add(__path_export_orders, export_orders)
}

/// All customers as NDJSON or CSV, streamed.
#[utoipa::path(get, path = "/api/v1/customers/export", tag = "exports",
    responses((status = 200, description = "A line for each customer", headers(("Content-Disposition" = String)),
            content((String = "application/x-ndjson"), (String = "text/csv"))),
        (status = 406, response = inline(crate::openapi::ProblemResponse))))]
async fn export_customers(
    db: Data<Database>,
    _: Query<NoQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let customers = export::customers(db.as_ref().clone());
    answer(&request, "customers", customers).await
}

/// Which orders to export.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct OrdersQuery {
    /// Only this customer's.
    customer_id: Option<i64>,
    /// Only orders placed then or later.
    #[param(value_type = Option<chrono::DateTime<chrono::Utc>>, example = "2024-03-18T10:30:00Z")]
    placed_from: Option<Timestamp>,
    /// Only orders placed before.
    #[param(value_type = Option<chrono::DateTime<chrono::Utc>>, example = "2024-03-18T10:30:00Z")]
    placed_before: Option<Timestamp>,
}

/// Orders as NDJSON, or as CSV with a line for each of their items, streamed.
#[utoipa::path(get, path = "/api/v1/orders/export", tag = "exports", params(OrdersQuery),
    responses((status = 200, description = "The orders", headers(("Content-Disposition" = String)),
            content((String = "application/x-ndjson"), (String = "text/csv"))),
        (status = 406, response = inline(crate::openapi::ProblemResponse))))]
async fn export_orders(
    db: Data<Database>,
    query: Query<OrdersQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let OrdersQuery { customer_id, placed_from, placed_before } = query.into_inner();
    let filter = OrderFilter {
        customer_id,
        placed_from: placed_from.map(|time| time.0),
        placed_before: placed_before.map(|time| time.0),
        ..OrderFilter::default()
    };
    let orders = export::orders(db.as_ref().clone(), filter, OrderField::Id, Expand::default());
    answer(&request, "orders", orders).await
}

async fn answer<Row: Serialize + CsvRow + 'static>(
    request: &HttpRequest,
    name: &str,
    pages: impl Stream<Item = service::Result<Page<Row>>> + 'static,
) -> Result<HttpResponse, Problem> {
    let (mut answer, extension) = if wants_csv(request)? {
        (csv(request, pages).await?, "csv")
    } else {
        (ndjson(request, pages).await?, "ndjson")
    };
    let disposition = format!("attachment; filename=\"{name}.{extension}\"");
    let disposition = HeaderValue::from_str(&disposition);
    let disposition = disposition.unwrap_or(HeaderValue::from_static("attachment"));
    answer.headers_mut().insert(CONTENT_DISPOSITION, disposition);
    answer.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
    Ok(answer)
}

/// The first of the media types in `Accept` that we have; NDJSON where the caller does not mind.
fn wants_csv(request: &HttpRequest) -> Result<bool, Problem> {
    let mut accept =
        Accept::parse(request).map_err(|_| Problem::bad_request("Accept is malformed"))?;
    if accept.is_empty() {
        return Ok(false);
    }
    accept.0.retain(|range| range.quality > Quality::ZERO);
    accept
        .ranked()
        .iter()
        .find_map(|mime| match mime.essence_str() {
            "text/csv" | "text/*" => Some(true),
            "application/x-ndjson" | "application/ndjson" | "application/*" | "*/*" => Some(false),
            _ => None,
        })
        .ok_or_else(|| {
            Problem::new(StatusCode::NOT_ACCEPTABLE, "there is application/x-ndjson and text/csv")
        })
}

impl CsvRow for Customer {
    const HEADER: &'static [&'static str] = &["id", "name", "flat_number", "post_code"];

    fn records(&self) -> Vec<Vec<String>> {
        let Self { id, name, address } = self;
        vec![vec![
            id.to_string(),
            name.clone(),
            address.flat_number.to_string(),
            address.post_code.to_string(),
        ]]
    }
}

impl CsvRow for Order {
    const HEADER: &'static [&'static str] = &[
        "order_id",
        "customer_id",
        "order_time",
        "item_id",
        "name",
        "quantity",
        "unit_price",
        "item_total",
    ];

    /// A line for each item; an order without items has one line all the same.
    fn records(&self) -> Vec<Vec<String>> {
        let time = self.order_time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
        let order = [self.id.to_string(), self.customer_id.to_string(), time];
        let lines = self.items.iter().map(|line| {
            [
                line.item_id.to_string(),
                line.name.clone(),
                line.quantity.to_string(),
                line.unit_price.to_string(),
                line.item_total.to_string(),
            ]
        });
        let mut records: Vec<_> =
            lines.map(|line| order.iter().cloned().chain(line).collect()).collect();
        if records.is_empty() {
            records.push(
                order
                    .into_iter()
                    .chain(std::array::from_fn::<_, 5, _>(|_| String::new()))
                    .collect(),
            );
        }
        records
    }
}
