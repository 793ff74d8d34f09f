//! The API under `/api/v1`.

mod bodies;
mod conditional;
mod exports;
mod idempotency;
mod lists;
mod openapi;
mod reports;
mod resources;
mod sums;
mod validation;

use crate::harness::case::Case;

pub fn cases() -> Vec<Case> {
    [
        bodies::cases(),
        conditional::cases(),
        exports::cases(),
        idempotency::cases(),
        lists::cases(),
        openapi::cases(),
        reports::cases(),
        resources::cases(),
        sums::cases(),
        validation::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
