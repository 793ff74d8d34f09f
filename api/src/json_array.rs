//! Long answers: a JSON array sent page by page.

use actix_web::{HttpResponse, web::Bytes};
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use serde::Serialize;

use crate::problem::Problem;

/// Sends the rows of all pages as one array, and asks for a page only when the client has taken the
/// one before.
///
/// A failure of the first page is an error like any other. When a later one fails, the connection is
/// cut, so that nobody takes a part for the whole.
pub async fn json_array<Row: Serialize + 'static>(
    pages: impl Stream<Item = service::Result<Vec<Row>>> + 'static,
) -> Result<HttpResponse, Problem> {
    let mut pages = Box::pin(pages);
    let Some(first) = pages.try_next().await? else {
        return Ok(HttpResponse::Ok().json([(); 0]));
    };
    let mut before_row = b'[';
    let rows = stream::iter([Ok(first)]).chain(pages.inspect_err(log_failure)).map(move |page| {
        let mut json = Vec::new();
        for row in page? {
            json.push(before_row);
            serde_json::to_writer(&mut json, &row)?;
            before_row = b',';
        }
        Ok(Bytes::from(json))
    });
    let end = stream::iter([Ok(Bytes::from_static(b"]"))]);
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .streaming::<_, Box<dyn std::error::Error>>(rows.chain(end)))
}

fn log_failure(error: &service::Error) {
    log::error!("an answer was cut off: {error}");
}
