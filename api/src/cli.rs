//! The command line: what can be asked for, and what becomes of it.

use std::{
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use actix_web::rt::System;
use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand, builder::FalseyValueParser};
use database_url::DatabaseUrl;
use service::{Database, Settings};

use crate::{api_key, healthcheck, logging, routes, seed, serve};

/// The release, and the commit that it was built from.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("MARKETSVC_COMMIT"), ")");

/// An order service: customers, items, orders, over HTTP, on SQLite, PostgreSQL or MySQL/MariaDB
#[derive(Parser)]
#[command(name = "marketsvc", version = VERSION)]
struct Cli {
    #[command(flatten)]
    database: DatabaseArgs,
    /// Log every SQL statement
    #[arg(long, global = true, env = "MARKETSVC_ECHO", value_parser = FalseyValueParser::new())]
    echo: bool,
    /// How lines of the log are written
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

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer HTTP requests until told to stop
    Serve(serve::Options),
    /// Bring the database's schema up to date, or back
    #[command(subcommand)]
    Migrate(migration::Command),
    /// Fill an empty database
    #[command(subcommand)]
    Seed(seed::Command),
    /// Make, list and revoke keys to the API
    #[command(subcommand)]
    ApiKey(api_key::Command),
    /// Print the OpenAPI document
    Openapi,
    /// Succeed if the server is ready
    Healthcheck(healthcheck::Options),
}

/// Which database, and how its connections are shared.
#[derive(Args)]
pub struct DatabaseArgs {
    #[arg(
        help = "sqlite://FILE?mode=rwc, postgres://USER:PASSWORD@HOST/DB or mysql://USER:PASSWORD@HOST/DB",
        long,
        value_name = "URL",
        global = true,
        env = "DATABASE_URL",
        // It may hold a password, as may what is wrong with it: nothing here prints it.
        hide_env_values = true,
        default_value = "sqlite://marketplace.db?mode=rwc"
    )]
    database_url: String,
    /// The most database connections at once (on SQLite: of readers, beside the one writer)
    #[arg(
        long,
        global = true,
        env = "MARKETSVC_MAX_CONNECTIONS",
        value_name = "N",
        default_value_t = 8,
        value_parser = clap::value_parser!(u32).range(1..=1000)
    )]
    max_connections: u32,
    /// Seconds to wait for a free connection before the answer is 503
    #[arg(
        long,
        global = true,
        env = "MARKETSVC_ACQUIRE_TIMEOUT",
        value_name = "SECONDS",
        default_value_t = 5,
        value_parser = clap::value_parser!(u64).range(1..=600)
    )]
    acquire_timeout: u64,
}

impl DatabaseArgs {
    /// Where the database is.
    pub fn url(&self) -> Result<DatabaseUrl> {
        Ok(self.database_url.parse()?)
    }

    /// Connects to a database whose schema is the one that this program knows.
    pub async fn open(&self) -> Result<Database> {
        let url = self.url()?;
        let settings = Settings {
            max_connections: self.max_connections,
            acquire_timeout: Duration::from_secs(self.acquire_timeout),
        };
        let db = Database::connect(&url, settings)
            .await
            .with_context(|| format!("cannot connect to {url}"))?;
        let pending = migration::pending(db.reader())
            .await
            .with_context(|| format!("cannot use the schema of {url}"))?;
        if !pending.is_empty() {
            bail!(
                "the schema of {url} is behind by {}: run `marketsvc migrate up`, or start with \
                 `serve --migrate`",
                pending.join(", ")
            );
        }
        Ok(db)
    }
}

/// Runs the program: results go to standard output, everything else to standard error.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    logging::start(cli.log_format, cli.echo);
    match System::new().block_on(run(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::logger().flush();
            // A closed standard error leaves nobody to tell.
            let _ = writeln!(io::stderr(), "error: {}", one_line(&error));
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<()> {
    match cli.command {
        Command::Serve(options) => serve::run(&cli.database, &options).await,
        Command::Migrate(command) => migrate(&cli.database, command).await,
        Command::Seed(command) => seed::run(&cli.database, command).await,
        Command::ApiKey(command) => api_key::run(&cli.database, command).await,
        Command::Openapi => print_openapi(),
        Command::Healthcheck(options) => healthcheck::run(&options),
    }
}

async fn migrate(database: &DatabaseArgs, command: migration::Command) -> Result<()> {
    let report = migration::run(&database.url()?, command).await?;
    writeln!(io::stdout(), "{}", report.join("\n"))?;
    Ok(())
}

fn print_openapi() -> Result<()> {
    writeln!(io::stdout(), "{}", routes::document().to_pretty_json()?)?;
    Ok(())
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
