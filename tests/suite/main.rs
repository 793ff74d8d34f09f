//! What a user of the service sees, on SQLite, PostgreSQL and MySQL/MariaDB.
//!
//! Each test has a database and a server of its own. `TEST_POSTGRES_URL` and `TEST_MYSQL_URL` name
//! servers to make databases on; without them throwaway servers are started from the programs on this
//! machine, and without those the tests are shown as ignored. `TEST_REQUIRE=postgres,mysql` makes that
//! a failure.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has failed, as it should"
)]

mod answers;
mod auth;
mod cli;
mod concurrency;
mod harness;
mod migrations;
mod operation;
mod orders;
mod refusals;
mod schema;
mod seeding;
mod statements;
mod streaming;
mod trials;
mod v1;

use harness::case::{Case, trials};
use libtest_mimic::Arguments;

fn main() {
    let cases: Vec<Case> = [
        answers::cases(),
        auth::cases(),
        cli::cases(),
        concurrency::cases(),
        migrations::cases(),
        operation::cases(),
        orders::cases(),
        refusals::cases(),
        schema::cases(),
        seeding::cases(),
        statements::cases(),
        streaming::cases(),
        trials::cases(),
        v1::cases(),
    ]
    .into_iter()
    .flatten()
    .collect();
    libtest_mimic::run(&Arguments::from_args(), trials(&cases)).exit();
}
