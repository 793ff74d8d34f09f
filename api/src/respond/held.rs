//! Answers that hold part of a budget until they have been sent.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, HttpResponse, Responder, body::BoxBody, dev::Payload};

use super::{held_body::held_body, problem::Problem};
use crate::middleware::{
    budgets::{Permit, Resource},
    limits::acquire,
};

/// Permit of an expensive request, taken before the request is carried out.
pub struct Expensive(Permit);

impl FromRequest for Expensive {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(acquire(request, Resource::Expensive, 1).map(Self))
    }
}

impl Expensive {
    /// Holds the permit until the answer has been sent or dropped.
    pub fn until_sent<Answer>(self, answer: Answer) -> Held<Answer> {
        Held { answer, permit: self.0 }
    }
}

/// Answer with a permit.
pub struct Held<Answer> {
    answer: Answer,
    permit: Permit,
}

impl<Answer: Responder<Body: 'static>> Responder for Held<Answer> {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        let Self { answer, permit } = self;
        let answer = answer.respond_to(request).map_into_boxed_body();
        answer.map_body(|_, body| held_body(body, permit))
    }
}
