//! Long bodies, sent in parts.

use std::convert::Infallible;

use actix_web::{
    body::{BoxBody, MessageBody, SizedStream},
    web::Bytes,
};
use futures_util::stream;

/// Size of a part. The framework copies a part into its buffer, so a body of one part is in memory twice.
pub(super) const PART_BYTES: usize = 32 * 1024;

/// Makes a body of `bytes`, with its length, which is sent in parts if it is long.
pub(super) fn body(bytes: impl Into<Bytes>) -> BoxBody {
    let bytes = bytes.into();
    if bytes.len() <= 2 * PART_BYTES {
        return bytes.boxed();
    }
    let length = bytes.len() as u64;
    let parts = stream::unfold(bytes, async |mut rest| {
        let part = rest.split_to(PART_BYTES.min(rest.len()));
        (!part.is_empty()).then_some((Ok::<_, Infallible>(part), rest))
    });
    SizedStream::new(length, Box::pin(parts)).boxed()
}
