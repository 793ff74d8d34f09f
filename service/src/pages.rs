//! Streams that hold a page of rows, never a connection and never the table.

use std::future::Future;

use futures_util::{Stream, stream};

use crate::{
    Result,
    list::{Page, Position},
};

/// All pages of a list. `fetch` reads the page that starts after a position.
///
/// A page is read when the stream is polled for it and not before, so a slow reader holds nothing.
pub fn pages<Row, Fetch, Fetched>(fetch: Fetch) -> impl Stream<Item = Result<Page<Row>>>
where
    Fetch: Fn(Option<Position>) -> Fetched,
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
