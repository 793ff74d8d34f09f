//! Long answers, sent page by page.

use std::{
    error::Error,
    future::{Ready, ready},
};

use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload, web::Bytes};
use futures_util::{Stream, TryStreamExt, stream};
use serde::Serialize;
use service::pagination::Page;

use super::{parts, problem::Problem};
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
    /// taken the one before. A single page is sent with its length. More than one are part of the budget for
    /// expensive requests.
    ///
    /// A failure of the first page is an error like any other. When a later one fails, or there are more rows than
    /// the server sends, the connection is aborted, so that a client cannot take a part for the whole.
    pub async fn send<Row: 'static>(
        self,
        pages: impl Stream<Item = service::Result<Page<Row>>> + 'static,
        content_type: &'static str,
        start: Vec<u8>,
        append: impl FnMut(&Row, &mut Vec<u8>) -> Result<(), Box<dyn Error>> + 'static,
        end: &'static [u8],
    ) -> Result<HttpResponse, Problem> {
        let mut pages = Box::pin(pages);
        let Some(first) = pages.try_next().await? else { return Err(Problem::internal("no page")) };
        let rows = Vec::new().into_iter();
        let mut text =
            Text { start: Some(start), rows, end: None, append, rows_left: self.max_rows };
        let is_whole = first.next.is_none();
        text.add(first, end).map_err(Problem::internal)?;
        let mut answer = HttpResponse::Ok();
        answer.content_type(content_type);
        if is_whole {
            return Ok(answer.body(parts::body(text.up_to(usize::MAX).map_err(Problem::internal)?)));
        }
        let permit = acquire(&self.request, Resource::Expensive, 1)?;
        let parts = stream::try_unfold((text, pages, permit), move |mut state| async move {
            let (text, pages, _) = &mut state;
            let mut part = text.up_to(parts::PART_BYTES)?;
            if part.is_empty()
                && let Some(page) = pages.try_next().await?
            {
                text.add(page, end)?;
                part = text.up_to(parts::PART_BYTES)?;
            }
            Ok::<_, Box<dyn Error>>((!part.is_empty()).then(|| (Bytes::from(part), state)))
        });
        let id = RequestId::of(&self.request);
        let parts =
            parts.inspect_err(move |error| log::error!("{id}: an answer was cut off: {error}"));
        Ok(answer.streaming(parts))
    }
}

/// Text of a list, written in parts from the rows of one page after the other.
struct Text<Row, Append> {
    /// Text before the first row.
    start: Option<Vec<u8>>,
    rows: std::vec::IntoIter<Row>,
    /// Text after the last row, once its page is known.
    end: Option<&'static [u8]>,
    append: Append,
    rows_left: usize,
}

impl<Row, Append> Text<Row, Append>
where
    Append: FnMut(&Row, &mut Vec<u8>) -> Result<(), Box<dyn Error>>,
{
    /// Adds the rows of a page, and `end` if it is the last one. The rows of the one before have been written.
    fn add(&mut self, page: Page<Row>, end: &'static [u8]) -> Result<(), &'static str> {
        let left = self.rows_left.checked_sub(page.rows.len());
        self.rows_left = left.ok_or("the list is longer than this server sends")?;
        self.end = page.next.is_none().then_some(end);
        self.rows = page.rows.into_iter();
        Ok(())
    }

    /// Writes rows until there are `bytes` of text or the page ends.
    fn up_to(&mut self, bytes: usize) -> Result<Vec<u8>, Box<dyn Error>> {
        let mut text = self.start.take().unwrap_or_default();
        while text.len() < bytes {
            let Some(row) = self.rows.next() else {
                text.extend_from_slice(self.end.take().unwrap_or_default());
                break;
            };
            (self.append)(&row, &mut text)?;
        }
        Ok(text)
    }
}
