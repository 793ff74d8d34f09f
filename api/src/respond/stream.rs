//! Long answers, sent page by page.

use std::{
    error::Error,
    future::{Ready, ready},
};

use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload, web::Bytes};
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use serde::Serialize;
use service::pagination::Page;

use super::problem::Problem;
use crate::{
    middleware::{budgets::Resource, limits::acquire, request_id::RequestId},
    server::limits::Limits,
};

/// Sender of streamed answers to a request.
pub struct StreamResponder {
    max_rows: usize,
    request: HttpRequest,
}

impl FromRequest for StreamResponder {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(
            Limits::of(request)
                .map(|limits| Self { max_rows: limits.max_stream_rows, request: request.clone() }),
        )
    }
}

impl StreamResponder {
    /// Sends the rows of all pages as one JSON array.
    pub async fn json_array<Row: Serialize + 'static>(
        self,
        pages: impl Stream<Item = service::Result<Page<Row>>> + 'static,
    ) -> Result<HttpResponse, Problem> {
        let mut first = true;
        let append = move |row: &Row, text: &mut Vec<u8>| {
            if !std::mem::take(&mut first) {
                text.push(b',');
            }
            Ok(serde_json::to_writer(text, row)?)
        };
        self.send(pages, "application/json", b"[".to_vec(), append, b"]").await
    }

    /// Sends the rows of all pages as JSON, one on each line.
    pub async fn ndjson<Row: Serialize + 'static>(
        self,
        pages: impl Stream<Item = service::Result<Page<Row>>> + 'static,
    ) -> Result<HttpResponse, Problem> {
        let append = |row: &Row, text: &mut Vec<u8>| {
            serde_json::to_writer(&mut *text, row)?;
            text.push(b'\n');
            Ok(())
        };
        self.send(pages, "application/x-ndjson", Vec::new(), append, &[]).await
    }

    /// Sends `start`, the rows of all pages as `append` writes them, and `end`. A page is read when the client has
    /// taken the one before. A single page is sent whole, with its length. More than one are part of the budget for
    /// expensive requests.
    ///
    /// A failure of the first page is an error like any other. When a later one fails, or there are more rows than
    /// the server sends, the connection is aborted, so that a client cannot take a part for the whole.
    pub async fn send<Row: 'static>(
        self,
        pages: impl Stream<Item = service::Result<Page<Row>>> + 'static,
        content_type: &'static str,
        start: Vec<u8>,
        mut append: impl FnMut(&Row, &mut Vec<u8>) -> Result<(), Box<dyn Error>> + 'static,
        end: &'static [u8],
    ) -> Result<HttpResponse, Problem> {
        let mut start = Some(start);
        let mut rows_left = self.max_rows;
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
        let permit = acquire(&self.request, Resource::Expensive, 1)?;
        let others = pages.map(move |page| {
            // Moved into the closure, which lives as long as the stream.
            let _ = &permit;
            write(page?)
        });
        let id = RequestId::of(&self.request);
        let others =
            others.inspect_err(move |error| log::error!("{id}: an answer was cut off: {error}"));
        Ok(answer.streaming(stream::iter([Ok(first)]).chain(others)))
    }
}
