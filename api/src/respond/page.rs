//! Answers with a page of a list.

use actix_web::{HttpResponse, http::header::LINK};
use serde::Serialize;
use service::pagination::Page;
use utoipa::ToSchema;

use super::{parts, problem::Problem};
use crate::extract::page_query::PageQuery;

/// Page of a list.
#[derive(Serialize, ToSchema)]
pub struct PageBody<Row> {
    /// Rows in the requested order.
    pub data: Vec<Row>,
    /// Value of the parameter `cursor` for the next page; null on the last page.
    pub next_cursor: Option<String>,
}

/// Capacity reserved for the JSON of each row: growing the buffer step by step shows in the benchmark of pages.
const BYTES_PER_ROW: usize = 512;

/// Answers with the page that `query` asked for, and with a link to the next page.
pub fn page<Field, Row: Serialize>(
    query: &PageQuery<Field>,
    page: Page<Row>,
) -> Result<HttpResponse, Problem> {
    let next_cursor = page.next.as_ref().map(|next| query.next_cursor(next));
    let mut answer = HttpResponse::Ok();
    if let Some(cursor) = &next_cursor {
        answer.insert_header((LINK, format!("<{}>; rel=\"next\"", query.next_url(cursor))));
    }
    let mut json = Vec::with_capacity(BYTES_PER_ROW * page.rows.len());
    let body = PageBody { data: page.rows, next_cursor };
    serde_json::to_writer(&mut json, &body).map_err(service::Error::from)?;
    Ok(answer.content_type("application/json").body(parts::body(json)))
}
