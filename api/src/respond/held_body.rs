//! Body that holds part of a budget until it has been sent.

use std::{
    error::Error,
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::{
    body::{BodySize, BoxBody, MessageBody},
    web::Bytes,
};

use crate::middleware::budgets::Permit;

/// Makes a body that holds the permit until it has been sent or dropped.
pub fn held_body(body: BoxBody, permit: Permit) -> BoxBody {
    BoxBody::new(HeldBody { body, _permit: permit })
}

struct HeldBody {
    body: BoxBody,
    _permit: Permit,
}

impl MessageBody for HeldBody {
    type Error = Box<dyn Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_next(context)
    }
}
