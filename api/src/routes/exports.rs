//! `/api/v1/orders/export` and `/api/v1/customers/export`

use std::future::{Ready, ready};

use actix_web::{
    FromRequest, HttpRequest, HttpResponse,
    dev::Payload,
    http::{
        StatusCode,
        header::{Accept, CONTENT_DISPOSITION, Header, HeaderValue, Quality, VARY},
    },
};
use futures_util::Stream;
use serde::Serialize;
use service::{
    customers::{self, Customer},
    orders::{self, Order, OrderSort},
    pagination::Page,
};

use super::{orders::OrderFilterQuery, registry::Routes};
use crate::{
    extract::{consistency::ReadDatabase, query::Query},
    openapi::ProblemResponse,
    respond::{
        csv::{CsvRow, csv},
        problem::Problem,
        stream::StreamResponder,
    },
};

/// Adds the routes.
pub fn add_to(routes: Routes) -> Routes {
    routes.add(__path_export_customers, export_customers).add(__path_export_orders, export_orders)
}

/// Streams all customers as NDJSON or CSV.
#[utoipa::path(get, path = "/api/v1/customers/export", tag = "exports", params(ReadDatabase),
    responses((status = 200, description = "A line for each customer", headers(("Content-Disposition" = String)),
            content((String = "application/x-ndjson"), (String = "text/csv"))),
        (status = 406, response = inline(ProblemResponse))))]
async fn export_customers(
    db: ReadDatabase,
    format: Format,
    responder: StreamResponder,
) -> Result<HttpResponse, Problem> {
    let customers = customers::stream(db.clone());
    export("customers", format, responder, customers).await
}

/// Streams orders as NDJSON, or as CSV with a record for each line of an order.
#[utoipa::path(get, path = "/api/v1/orders/export", tag = "exports", params(OrderFilterQuery, ReadDatabase),
    responses((status = 200, description = "The orders", headers(("Content-Disposition" = String)),
            content((String = "application/x-ndjson"), (String = "text/csv"))),
        (status = 406, response = inline(ProblemResponse))))]
async fn export_orders(
    db: ReadDatabase,
    filter: Query<OrderFilterQuery>,
    format: Format,
    responder: StreamResponder,
) -> Result<HttpResponse, Problem> {
    let (db, filter) = (db.clone(), filter.0.into());
    let orders = orders::stream(db, filter, OrderSort::Id, false);
    export("orders", format, responder, orders).await
}

async fn export<Row: Serialize + CsvRow + 'static>(
    name: &str,
    format: Format,
    responder: StreamResponder,
    pages: impl Stream<Item = service::Result<Page<Row>>> + 'static,
) -> Result<HttpResponse, Problem> {
    let (mut answer, extension) = match format {
        Format::Csv => (csv(responder, pages).await?, "csv"),
        Format::Ndjson => (responder.ndjson(pages).await?, "ndjson"),
    };
    let disposition = format!("attachment; filename=\"{name}.{extension}\"");
    let disposition = HeaderValue::from_str(&disposition);
    let disposition = disposition.unwrap_or(HeaderValue::from_static("attachment"));
    answer.headers_mut().insert(CONTENT_DISPOSITION, disposition);
    answer.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
    Ok(answer)
}

/// Format of an export, negotiated by the header `Accept`.
#[derive(Clone, Copy)]
enum Format {
    Ndjson,
    Csv,
}

impl FromRequest for Format {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(negotiate(request))
    }
}

/// Returns the first acceptable format, and NDJSON if the client has no preference.
fn negotiate(request: &HttpRequest) -> Result<Format, Problem> {
    let mut accept = Accept::parse(request)
        .map_err(|_| Problem::bad_request("Accept must be a list of media types"))?;
    if accept.is_empty() {
        return Ok(Format::Ndjson);
    }
    accept.0.retain(|range| range.quality > Quality::ZERO);
    let format = accept.ranked().iter().find_map(|mime| match mime.essence_str() {
        "text/csv" | "text/*" => Some(Format::Csv),
        "application/x-ndjson" | "application/ndjson" | "application/*" | "*/*" => {
            Some(Format::Ndjson)
        }
        _ => None,
    });
    format.ok_or_else(|| {
        let detail = "the available media types are application/x-ndjson and text/csv";
        Problem::new(StatusCode::NOT_ACCEPTABLE, detail)
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

    /// Returns a record for each line; an order without lines has one record, whose other cells are empty.
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
            let empty = std::array::from_fn::<_, 5, _>(|_| String::new());
            records.push(order.into_iter().chain(empty).collect());
        }
        records
    }
}
