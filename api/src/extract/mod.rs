//! Extractors: they turn a request into typed input, or refuse it with a problem.
//!
//! Each describes its parameters for OpenAPI. Names of query parameters are checked by the registry of routes, so
//! several extractors can read the same query.

mod body;
pub mod consistency;
mod cursor;
pub mod domain;
pub mod expand;
pub mod field_errors;
pub mod id;
pub mod idempotent;
pub mod json_body;
pub mod name_prefix;
pub mod page_query;
pub mod preconditions;
pub mod query;
mod strict_json;
pub mod timestamp;

use actix_web::{
    error::PathError,
    web::{PathConfig, ServiceConfig},
};

use crate::respond::problem::Problem;

/// Configures the framework's extractors: an error in a path becomes a problem.
pub fn configure(config: &mut ServiceConfig) {
    config.app_data(PathConfig::default().error_handler(|error, _| refuse_path(&error).into()));
}

/// The framework itself would answer 404.
fn refuse_path(error: &PathError) -> Problem {
    match error {
        PathError::Deserialize(error) => Problem::bad_request(error.to_string()),
        _ => Problem::bad_request("invalid path"),
    }
}
