//! Long answers, sent page by page.

use std::error::Error;

use actix_web::{HttpResponse, web::Bytes};
use futures_util::{Stream, StreamExt, TryStreamExt, stream as streams};
use serde::Serialize;

use crate::problem::Problem;

/// Sends the rows of all pages as one JSON array.
pub async fn json_array<Row: Serialize + 'static>(
    pages: impl Stream<Item = service::Result<Vec<Row>>> + 'static,
) -> Result<HttpResponse, Problem> {
    let mut first = true;
    let append = move |row: &Row, text: &mut Vec<u8>| {
        if !std::mem::take(&mut first) {
            text.push(b',');
        }
        Ok(serde_json::to_writer(text, row)?)
    };
    stream(pages, "application/json", b"[".to_vec(), append, b"]").await
}

/// Sends the rows of all pages as JSON, each on a line.
pub async fn ndjson<Row: Serialize + 'static>(
    pages: impl Stream<Item = service::Result<Vec<Row>>> + 'static,
) -> Result<HttpResponse, Problem> {
    let append = |row: &Row, text: &mut Vec<u8>| {
        serde_json::to_writer(&mut *text, row)?;
        text.push(b'\n');
        Ok(())
    };
    stream(pages, "application/x-ndjson", Vec::new(), append, &[]).await
}

/// Sends `start`, the rows of all pages as `append` writes them, and `end`; asks for a page only when the
/// client has taken the one before.
///
/// A failure of the first page is an error like any other. When a later one fails, the connection is
/// cut, so that nobody takes a part for the whole.
pub async fn stream<Row: 'static>(
    pages: impl Stream<Item = service::Result<Vec<Row>>> + 'static,
    content_type: &'static str,
    start: Vec<u8>,
    mut append: impl FnMut(&Row, &mut Vec<u8>) -> Result<(), Box<dyn Error>> + 'static,
    end: &'static [u8],
) -> Result<HttpResponse, Problem> {
    let mut pages = Box::pin(pages);
    let first = pages.try_next().await?.unwrap_or_default();
    let mut text = start;
    let pages = streams::iter([Ok(first)]).chain(pages.inspect_err(log_failure));
    let rows = pages.map(move |page| {
        for row in page? {
            append(&row, &mut text)?;
        }
        Ok(Bytes::from(std::mem::take(&mut text)))
    });
    let rows = rows.chain(streams::iter([Ok(Bytes::from_static(end))]));
    // An empty chunk would end the answer.
    let rows = rows.try_filter(|chunk| std::future::ready(!chunk.is_empty()));
    Ok(HttpResponse::Ok().content_type(content_type).streaming::<_, Box<dyn Error>>(rows))
}

fn log_failure(error: &service::Error) {
    log::error!("an answer was cut off: {error}");
}
