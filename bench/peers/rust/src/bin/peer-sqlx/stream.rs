//! Streamed responses, read page by page.

use actix_web::{HttpResponse, web::Bytes};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;

use crate::error::{Error, Result};

/// Streams the rows of all pages as one JSON array. `fetch` reads at most `size` rows after a key, once the
/// client has received the previous page; `key` returns the key of a row.
///
/// A failure of the first page is returned as an error; a later failure closes the connection.
pub async fn json_array<Row, Key>(
    size: usize,
    start: Key,
    fetch: impl AsyncFn(Key) -> Result<Vec<Row>> + 'static,
    key: fn(&Row) -> Key,
) -> Result<HttpResponse>
where
    Row: Serialize + 'static,
    Key: 'static,
{
    let pages = stream::try_unfold(Some((start, b'[', fetch)), move |state| async move {
        let Some((after, mut separator, fetch)) = state else { return Ok(None) };
        let page = fetch(after).await?;
        let mut text = Vec::new();
        for row in &page {
            text.push(separator);
            separator = b',';
            serde_json::to_writer(&mut text, row)?;
        }
        let next = match page.last() {
            Some(last) if page.len() == size => Some((key(last), separator, fetch)),
            _ => {
                text.extend_from_slice(if separator == b'[' { b"[]" } else { b"]" });
                None
            }
        };
        Ok::<_, Error>(Some((Bytes::from(text), next)))
    });
    let mut pages = Box::pin(pages);
    let first = pages.try_next().await?.unwrap_or_default();
    let pages = stream::iter([Ok(first)]).chain(pages);
    Ok(HttpResponse::Ok().content_type("application/json").streaming(pages))
}
