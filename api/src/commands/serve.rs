//! `marketsvc serve`

use std::{path::PathBuf, thread::available_parallelism, time::Duration};

use anyhow::Result;
use rustls::ServerConfig;
use service::secrets;

use super::{
    authentication::{self, AuthenticationArgs},
    boolean::StrictBoolean,
    database::DatabaseArgs,
};
use crate::{
    middleware::client_address::TrustedProxies,
    server::{
        application::{Application, Settings},
        connections::ConnectionArgs,
        drain,
        limits::Limits,
        tls,
    },
};

/// Options of the server.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Address and port to listen at; port 0 chooses a free one
    #[arg(
        long,
        env = "MARKETSVC_LISTEN",
        value_name = "ADDRESS:PORT",
        default_value = "127.0.0.1:9090"
    )]
    listen: String,
    /// Database to read from, such as the replicas of the other one: a URL as for --database-url. Requests read there
    /// unless they have the header `Consistency: strong`
    #[arg(long, env = "DATABASE_READ_URL", value_name = "URL", hide_env_values = true)]
    read_database_url: Option<String>,
    /// Number of worker threads; one per core by default
    #[arg(
        long,
        env = "MARKETSVC_WORKERS",
        value_name = "N",
        value_parser = clap::value_parser!(u16).range(1..=1024)
    )]
    workers: Option<u16>,
    #[command(flatten)]
    authentication: AuthenticationArgs,
    /// Certificate with its chain, in PEM format; with it and its key the server speaks HTTPS
    #[arg(long, env = "MARKETSVC_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Private key of the certificate, in PEM format
    #[arg(long, env = "MARKETSVC_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Seconds from the signal to stop, which ends readiness, until no more requests are accepted
    #[arg(long, env = "MARKETSVC_DRAIN_DELAY", value_name = "SECONDS", default_value_t = 0)]
    drain_delay: u16,
    /// Seconds after that for running requests to finish; then they are aborted
    #[arg(long, env = "MARKETSVC_SHUTDOWN_TIMEOUT", value_name = "SECONDS", default_value_t = 25)]
    shutdown_timeout: u16,
    #[command(flatten)]
    limits: Limits,
    #[command(flatten)]
    proxies: TrustedProxies,
    #[command(flatten)]
    connections: ConnectionArgs,
    /// Apply pending migrations first
    #[arg(long, env = "MARKETSVC_MIGRATE", value_parser = StrictBoolean)]
    migrate: bool,
    /// Apply pending migrations, and load the tutorial's rows if the database is empty
    #[arg(long, env = "MARKETSVC_DEMO", value_parser = StrictBoolean)]
    demo: bool,
}

/// Serves until SIGTERM or SIGINT.
pub async fn run(database: &DatabaseArgs, options: &Options) -> Result<()> {
    let authentication = options.authentication.resolve(&options.listen)?;
    if options.migrate || options.demo {
        let up = migration::Command::Up { steps: None };
        migration::run(&database.url()?, up).await?;
    }
    let workers = match options.workers {
        Some(workers) => workers.into(),
        None => available_parallelism().map_or(1, usize::from),
    };
    let head = options.limits.header_timeout;
    let connections = options.connections.resolve(head, workers, database.max_connections())?;
    let replicas = options.read_database_url.as_deref().map(str::parse).transpose()?;
    let db = database.open_with_replicas(replicas).await?;
    if options.demo {
        load_demo(&db).await?;
    }
    if let Some(load) = service::silently(service::unfinished_load(&db)).await? {
        log::warn!("the database holds an unfinished load ({load}) and lacks rows");
    }
    let warning = authentication::warning(authentication, &db).await?;
    let settings = Settings {
        listen: options.listen.clone(),
        workers,
        tls: options.tls()?,
        authentication,
        allowed_hosts: options.authentication.allowed_hosts(),
        cursor_secret: secrets::of_cursors(&db).await?,
        limits: options.limits,
        proxies: options.proxies.clone(),
        connections,
        drain: drain::Settings {
            delay: Duration::from_secs(options.drain_delay.into()),
            timeout: Duration::from_secs(options.shutdown_timeout.into()),
        },
    };
    let application = Application::build(db, settings)?;
    if let Some(warning) = warning {
        log::warn!("{warning}");
    }
    application.run().await
}

impl Options {
    fn tls(&self) -> Result<Option<ServerConfig>> {
        match (&self.tls_cert, &self.tls_key) {
            (Some(certificate), Some(key)) => Ok(Some(tls::load(certificate, key)?)),
            _ => Ok(None),
        }
    }
}

async fn load_demo(db: &service::Database) -> Result<()> {
    match service::seed::demo(db).await {
        Ok(()) => log::info!("loaded the demo data"),
        Err(service::Error::NotEmpty) => {
            log::info!("the database is not empty; demo data not loaded");
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
