//! Consistency of reads: the header `Consistency`.

use std::{
    future::{Ready, ready},
    ops::Deref,
};

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header::HeaderValue, web::Data};
use service::Database;
use utoipa::{IntoParams, ToSchema};

use crate::respond::problem::Problem;

/// Relation of a read to earlier writes.
#[derive(Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "lowercase")]
enum Consistency {
    /// The read sees every write that was acknowledged before it.
    Strong,
    /// The read may be behind, if the server reads from replicas.
    Eventual,
}

/// Database to read from.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct ReadDatabase {
    /// `strong` to see every write that was acknowledged before; `eventual`, which is the default, if the answer may be
    /// behind by the delay of a replica. There is a difference only if the server reads from replicas.
    #[param(rename = "Consistency", value_type = Consistency, inline, required = false)]
    db: Data<Database>,
}

impl Deref for ReadDatabase {
    type Target = Database;

    fn deref(&self) -> &Database {
        &self.db
    }
}

impl FromRequest for ReadDatabase {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(database(request).map(|db| Self { db }))
    }
}

fn database(request: &HttpRequest) -> Result<Data<Database>, Problem> {
    let db = request
        .app_data::<Data<Database>>()
        .ok_or_else(|| Problem::internal("the application has no database"))?;
    Ok(match consistency(request)? {
        Consistency::Eventual => db.clone(),
        Consistency::Strong => Data::new(db.consistent()),
    })
}

fn consistency(request: &HttpRequest) -> Result<Consistency, Problem> {
    let mut values = request.headers().get_all("consistency").map(HeaderValue::as_bytes);
    match (values.next(), values.next()) {
        (None | Some(b"eventual"), None) => Ok(Consistency::Eventual),
        (Some(b"strong"), None) => Ok(Consistency::Strong),
        _ => Err(Problem::bad_request("Consistency must be strong or eventual")),
    }
}
