//! The log, on standard error: lines for people or JSON for machines.

use std::io::{self, Write};

use clap::ValueEnum;
use env_logger::{Builder, Env, Logger, fmt::Formatter};
use log::{LevelFilter, Log, Metadata, Record};
use serde::Serialize;
use service::api_keys;

use crate::clock;

/// In which form lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// A JSON object on each line
    Json,
}

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    level: &'a str,
    target: &'a str,
    message: String,
}

/// Starts logging what `RUST_LOG` asks for, and every SQL statement if `echo`.
pub fn start(format: Format, echo: bool) {
    let usual = Env::default().default_filter_or(
        "info,actix_http=off,actix_server=warn,sqlx=warn,sea_orm=warn,sea_orm_migration=warn",
    );
    let mut logger = Builder::from_env(usual);
    if echo {
        logger.filter_module("sqlx::query", LevelFilter::Debug);
    }
    if format == Format::Json {
        logger.format(write_json);
    }
    let logger = logger.build();
    let level = logger.filter();
    if log::set_boxed_logger(Box::new(WithoutSecrets(logger))).is_ok() {
        log::set_max_level(level);
    }
}

/// Takes the secrets of keys out of every line: clients put them into addresses, and frameworks log those.
struct WithoutSecrets(Logger);

impl Log for WithoutSecrets {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.0.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if self.0.matches(record) {
            let message = record.args().to_string();
            let clean = api_keys::without_secrets(&message);
            let mut line = Record::builder();
            line.metadata(record.metadata().clone()).module_path(record.module_path());
            self.0.log(&line.args(format_args!("{clean}")).build());
        }
    }

    fn flush(&self) {
        self.0.flush();
    }
}

fn write_json(out: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let line = Line {
        time: clock::now().to_rfc3339_opts(chrono::SecondsFormat::Micros, true),
        level: record.level().as_str(),
        target: record.target(),
        message: record.args().to_string(),
    };
    serde_json::to_writer(&mut *out, &line)?;
    writeln!(out)
}
