//! Command line: parses the arguments and runs the command.

mod api_key;
mod authentication;
mod boolean;
mod copy;
mod database;
mod healthcheck;
mod migrate;
mod openapi;
mod progress;
mod seed;
mod serve;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use actix_web::rt::System;
use anyhow::Result;
use boolean::StrictBoolean;
use clap::{Parser, Subcommand};
use database::DatabaseArgs;

use crate::server::logging;

/// Release and commit of the program.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("MARKETSVC_COMMIT"), ")");

/// Order service: customers, items and orders over HTTP, on SQLite, PostgreSQL or MySQL/MariaDB
#[derive(Parser)]
#[command(name = "marketsvc", version = VERSION)]
struct Cli {
    #[command(flatten)]
    database: DatabaseArgs,
    /// Log every SQL statement with its values, which may be personal data, and its duration
    #[arg(long, global = true, env = "MARKETSVC_ECHO", value_parser = StrictBoolean)]
    echo: bool,
    /// Format of the log
    #[arg(
        long,
        global = true,
        env = "MARKETSVC_LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "text"
    )]
    log_format: logging::Format,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve HTTP until SIGTERM or SIGINT
    Serve(Box<serve::Options>),
    /// Migrate the schema of the database up or down
    #[command(subcommand)]
    Migrate(migration::Command),
    /// Fill an empty database
    #[command(subcommand)]
    Seed(seed::Command),
    /// Copy all data to another, empty database; stop every server of this database first
    Copy(copy::Options),
    /// Create, list and revoke API keys
    #[command(subcommand)]
    ApiKey(api_key::Command),
    /// Print the OpenAPI document
    Openapi,
    /// Exit with code 0 if the server is ready
    Healthcheck(healthcheck::Options),
}

/// Runs the program: results go to standard output, the log and errors to standard error.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    logging::start(cli.log_format, cli.echo);
    match System::new().block_on(run(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::logger().flush();
            // Standard error may be closed.
            let _ = writeln!(io::stderr(), "error: {}", one_line(&error));
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<()> {
    match cli.command {
        Command::Serve(options) => serve::run(&cli.database, &options).await,
        Command::Migrate(command) => migrate::run(&cli.database, command).await,
        Command::Seed(command) => seed::run(&cli.database, command).await,
        Command::Copy(options) => copy::run(&cli.database, &options).await,
        Command::ApiKey(command) => api_key::run(&cli.database, command).await,
        Command::Openapi => openapi::run(),
        Command::Healthcheck(options) => healthcheck::run(&options),
    }
}

fn one_line(error: &anyhow::Error) -> String {
    format!("{error:#}").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
