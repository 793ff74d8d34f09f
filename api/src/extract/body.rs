//! Bodies of requests, received within limits for their size, time and memory.

use std::future::Future;

use actix_web::{
    HttpRequest,
    dev::Payload,
    http::{StatusCode, header::CONTENT_LENGTH},
    rt::time::timeout,
    web::Bytes,
};
use futures_util::{FutureExt, StreamExt};

use crate::{
    middleware::{
        budgets::Resource,
        limits::{RequestLimiter, acquire, enter, leave},
    },
    respond::problem::Problem,
    server::limits::Limits,
};

/// Receives a body.
///
/// A request whose body has not arrived with its head gives its place among the requests at the same time back until
/// the body is complete, so that slow or silent clients keep none from others. Meanwhile it holds memory, of which all
/// such requests have a budget.
///
/// # Errors
/// If the length in the head is too large, at once; in the future, if the body is too large or late, or if a budget is
/// used up.
pub fn receive(
    request: &HttpRequest,
    payload: &mut Payload,
) -> Result<impl Future<Output = Result<Bytes, Problem>> + use<>, Problem> {
    let limits = Limits::of(request)?;
    let max = limits.max_body_bytes;
    if declared_length(request).is_some_and(|length| length > max) {
        return Err(too_large(max));
    }
    let request = request.clone();
    let mut body = Body { payload: payload.take(), bytes: Vec::new(), max };
    Ok(async move {
        if let Some(complete) = body.read_to_end(|_| Ok(())).now_or_never() {
            return complete.map(|()| body.bytes.into());
        }
        leave(&request);
        let mut memory = {
            let overhead = RequestLimiter::of(&request)?.body_overhead;
            acquire(&request, Resource::BodyBytes, overhead + body.bytes.capacity())?
        };
        let reading = body.read_to_end(|part| memory.grow(part).map_err(Problem::from));
        let Ok(complete) = timeout(limits.body_timeout, reading).await else {
            let detail = "the body did not arrive in time";
            return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, detail));
        };
        complete?;
        drop(memory);
        enter(&request)?;
        Ok(body.bytes.into())
    })
}

/// Body of which a part has arrived.
struct Body {
    payload: Payload,
    bytes: Vec<u8>,
    max: usize,
}

impl Body {
    /// Receives the rest. `grow` is called with the additional memory of each part.
    async fn read_to_end(
        &mut self,
        mut grow: impl FnMut(usize) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        while let Some(part) = self.payload.next().await {
            let part = part.map_err(|error| Problem::bad_request(error.to_string()))?;
            if self.bytes.len() + part.len() > self.max {
                return Err(too_large(self.max));
            }
            // Copied: the part may be a byte of a large buffer, which it would keep.
            let before = self.bytes.capacity();
            self.bytes.extend_from_slice(&part);
            grow(self.bytes.capacity() - before)?;
        }
        Ok(())
    }
}

/// Returns the length in the head of the request; `None` for one without, which is sent in chunks.
fn declared_length(request: &HttpRequest) -> Option<usize> {
    let length = request.headers().get(CONTENT_LENGTH)?.to_str().ok()?;
    // The framework refuses a length that is not a number.
    Some(length.parse().unwrap_or(usize::MAX))
}

fn too_large(max: usize) -> Problem {
    let detail = format!("the body must have at most {max} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
}
