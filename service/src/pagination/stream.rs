//! Streams of pages, which hold the rows of one page and no connection.

use futures_util::{Stream, stream};

use super::{Cursor, Page};
use crate::Result;

/// Streams all pages of a list; `fetch` reads the page after a cursor.
///
/// A page is read when the stream is polled for it, so a slow reader holds no connection.
pub(crate) fn pages<Row, Fetch, Fetched>(fetch: Fetch) -> impl Stream<Item = Result<Page<Row>>>
where
    Fetch: Fn(Option<Cursor>) -> Fetched,
    Fetched: Future<Output = Result<Page<Row>>>,
{
    let start = Some(None);
    stream::try_unfold((fetch, start), |(fetch, after)| async move {
        let Some(after) = after else { return Ok(None) };
        let page = fetch(after).await?;
        let next = page.next.clone().map(Some);
        Ok(Some((page, (fetch, next))))
    })
}
