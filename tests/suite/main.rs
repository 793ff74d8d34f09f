//! Integration tests of the program over HTTP, on SQLite, PostgreSQL and MySQL/MariaDB.
//!
//! Each test has its own database and its own server process. `TEST_POSTGRES_URL` and `TEST_MYSQL_URL`
//! name database servers on which the tests create their databases. Without them, temporary servers are
//! started from the programs installed on this machine; if these are missing, the tests are reported as
//! ignored. `TEST_REQUIRE=postgres,mysql` turns that into a failure.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by a panic"
)]

mod auth;
mod cli;
mod clients;
#[cfg(target_os = "linux")]
mod cluster;
mod concurrency;
mod copying;
mod echo;
mod errors;
mod fault_injection;
mod files;
mod harness;
mod hosts;
mod line_totals;
mod migrations;
mod operation;
mod orders;
mod query_parameters;
mod relations;
mod replicas;
mod schema;
mod seeding;
mod statements;
mod streaming;
mod times;
mod tutorial;
mod v1;

use harness::case::{Case, trials};
use libtest_mimic::Arguments;

fn main() {
    let cases: Vec<Case> = [
        auth::cases(),
        cli::cases(),
        clients::cases(),
        concurrency::cases(),
        copying::cases(),
        echo::cases(),
        errors::cases(),
        fault_injection::cases(),
        files::cases(),
        hosts::cases(),
        line_totals::cases(),
        migrations::cases(),
        operation::cases(),
        orders::cases(),
        query_parameters::cases(),
        relations::cases(),
        replicas::cases(),
        schema::cases(),
        seeding::cases(),
        statements::cases(),
        streaming::cases(),
        times::cases(),
        tutorial::cases(),
        v1::cases(),
    ]
    .into_iter()
    .flatten()
    .collect();
    #[cfg_attr(not(target_os = "linux"), expect(unused_mut, reason = "clusters need Linux"))]
    let mut trials = trials(&cases);
    #[cfg(target_os = "linux")]
    trials.extend(cluster::trials());
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
