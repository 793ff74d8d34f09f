//! Long answers, sent page by page.

use std::error::Error;

use actix_web::{HttpMessage, HttpRequest, HttpResponse, web::Bytes};
use futures_util::{Stream, StreamExt, TryStreamExt, stream as streams};
use serde::Serialize;
use service::list::Page;

use crate::{
    limits::{Gate, Limits},
    problem::Problem,
    request_id::RequestId,
};

/// Sends the rows of all pages as one JSON array.
pub async fn json_array<Row: Serialize + 'static>(
    request: &HttpRequest,
    pages: impl Stream<Item = service::Result<Page<Row>>> + 'static,
) -> Result<HttpResponse, Problem> {
    let mut first = true;
    let append = move |row: &Row, text: &mut Vec<u8>| {
        if !std::mem::take(&mut first) {
            text.push(b',');
        }
        Ok(serde_json::to_writer(text, row)?)
    };
    stream(request, pages, "application/json", b"[".to_vec(), append, b"]").await
}

/// Sends the rows of all pages as JSON, each on a line.
pub async fn ndjson<Row: Serialize + 'static>(
    request: &HttpRequest,
    pages: impl Stream<Item = service::Result<Page<Row>>> + 'static,
) -> Result<HttpResponse, Problem> {
    let append = |row: &Row, text: &mut Vec<u8>| {
        serde_json::to_writer(&mut *text, row)?;
        text.push(b'\n');
        Ok(())
    };
    stream(request, pages, "application/x-ndjson", Vec::new(), append, &[]).await
}

/// Sends `start`, the rows of all pages as `append` writes them, and `end`; asks for a page only when the
/// client has taken the one before. What is one page only is sent whole, with its length.
///
/// A failure of the first page is an error like any other. When a later one fails, or there are more rows
/// than the server sends, the connection is cut, so that nobody takes a part for the whole.
pub async fn stream<Row: 'static>(
    request: &HttpRequest,
    pages: impl Stream<Item = service::Result<Page<Row>>> + 'static,
    content_type: &'static str,
    start: Vec<u8>,
    mut append: impl FnMut(&Row, &mut Vec<u8>) -> Result<(), Box<dyn Error>> + 'static,
    end: &'static [u8],
) -> Result<HttpResponse, Problem> {
    let mut start = Some(start);
    let mut rows_left = Limits::of(request)?.max_stream_rows;
    let mut write = move |page: Page<Row>| {
        rows_left = rows_left
            .checked_sub(page.rows.len())
            .ok_or("the list is longer than this server sends")?;
        let mut text = start.take().unwrap_or_default();
        for row in &page.rows {
            append(row, &mut text)?;
        }
        if page.next.is_none() {
            text.extend_from_slice(end);
        }
        Ok::<_, Box<dyn Error>>(Bytes::from(text))
    };
    let mut pages = Box::pin(pages);
    let Some(first) = pages.try_next().await? else { return Err(Problem::internal("no page")) };
    let is_whole = first.next.is_none();
    let first = write(first).map_err(Problem::internal)?;
    let mut answer = HttpResponse::Ok();
    answer.content_type(content_type);
    if is_whole {
        return Ok(answer.body(first));
    }
    let id = request.extensions().get::<RequestId>().map(ToString::to_string).unwrap_or_default();
    let sending = Gate::of(request)?.stream();
    let others = pages.map(move |page| {
        let _ = &sending; // Until the stream is dropped.
        write(page?)
    });
    let others =
        others.inspect_err(move |error| log::error!("{id}: an answer was cut off: {error}"));
    Ok(answer.streaming(streams::iter([Ok(first)]).chain(others)))
}
