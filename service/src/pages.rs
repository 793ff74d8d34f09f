//! Streams that hold a page of rows, never a connection and never the table.

use std::future::Future;

use futures_util::{Stream, stream};

use crate::Result;

/// Pages in key order until one is not full. `fetch` reads the at most `size` rows after a key; `key`
/// tells the key of a row.
///
/// A page is read when the stream is polled for it and not before, so a slow reader holds nothing.
pub fn pages<Row, Key, Fetch, Fetched>(
    size: u64,
    fetch: Fetch,
    key: fn(&Row) -> Key,
) -> impl Stream<Item = Result<Vec<Row>>>
where
    Fetch: Fn(Option<Key>) -> Fetched,
    Fetched: Future<Output = Result<Vec<Row>>>,
{
    stream::try_unfold((fetch, Next::First), move |(fetch, next)| async move {
        let after = match next {
            Next::First => None,
            Next::After(key) => Some(key),
            Next::None => return Ok(None),
        };
        let page = fetch(after).await?;
        let next = match page.last() {
            None => return Ok(None),
            Some(last) if page.len() as u64 == size => Next::After(key(last)),
            Some(_) => Next::None,
        };
        Ok(Some((page, (fetch, next))))
    })
}

enum Next<Key> {
    First,
    After(Key),
    None,
}
