//! `marketsvc serve`

use std::thread::available_parallelism;

use anyhow::Result;
use chrono::TimeDelta;
use clap::builder::FalseyValueParser;

use crate::{body::BodySettings, cli::DatabaseArgs, server::Application};

/// How to serve.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Address and port to listen at; port 0 takes a free one
    #[arg(
        long,
        env = "MARKETSVC_LISTEN",
        value_name = "ADDRESS:PORT",
        default_value = "127.0.0.1:9090"
    )]
    listen: String,
    /// Threads that answer requests; one per core by default
    #[arg(
        long,
        env = "MARKETSVC_WORKERS",
        value_name = "N",
        value_parser = clap::value_parser!(u16).range(1..=1024)
    )]
    workers: Option<u16>,
    /// Seconds for which an Idempotency-Key is remembered
    #[arg(
        long,
        env = "MARKETSVC_IDEMPOTENCY_TTL",
        value_name = "SECONDS",
        default_value_t = 24 * 60 * 60,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    idempotency_ttl: u32,
    /// Apply pending migrations first
    #[arg(long, env = "MARKETSVC_MIGRATE", value_parser = FalseyValueParser::new())]
    migrate: bool,
    /// Apply pending migrations, and load the tutorial's rows if the database is empty
    #[arg(long, env = "MARKETSVC_DEMO", value_parser = FalseyValueParser::new())]
    demo: bool,
}

/// Serves until a signal says stop.
pub async fn run(database: &DatabaseArgs, options: &Options) -> Result<()> {
    if options.migrate || options.demo {
        let up = migration::Command::Up { steps: None };
        migration::run(&database.url()?, up).await?;
    }
    let db = database.open().await?;
    if options.demo {
        load_demo(&db).await?;
    }
    let workers = match options.workers {
        Some(workers) => workers.into(),
        None => available_parallelism().map_or(1, usize::from),
    };
    let bodies =
        BodySettings { key_time_to_live: TimeDelta::seconds(options.idempotency_ttl.into()) };
    Application::build(db, &options.listen, workers, bodies)?.run().await
}

async fn load_demo(db: &service::Database) -> Result<()> {
    match service::seed::demo(db).await {
        Ok(()) => log::info!("loaded the demo data"),
        Err(service::Error::NotEmpty) => {
            log::info!("the database holds data; demo data not loaded");
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
