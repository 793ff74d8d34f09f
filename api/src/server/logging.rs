//! Log on standard error, as text or as JSON.

use std::io::{self, Write};

use clap::ValueEnum;
use env_logger::{Builder, Env, Logger, fmt::Formatter};
use log::{LevelFilter, Log, Metadata, Record};
use serde::Serialize;
use service::api_keys;

use super::clock;
use crate::middleware::framework::is_shed;

/// Format of the lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Lines for reading
    Text,
    /// One JSON object per line
    Json,
}

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    level: &'a str,
    target: &'a str,
    message: String,
}

/// Starts logging by the filter in `RUST_LOG`; `echo` adds every SQL statement, which is logged at target `echo`.
pub fn start(format: Format, echo: bool) {
    let default = Env::default().default_filter_or(
        "info,actix_http=off,actix_server=warn,sqlx=warn,sea_orm=warn,sea_orm_migration=warn",
    );
    let mut logger = Builder::from_env(default);
    if echo {
        logger.filter_module("echo", LevelFilter::Debug);
    }
    if format == Format::Json {
        logger.format(write_json);
    }
    let logger = logger.build();
    let level = logger.filter();
    if log::set_boxed_logger(Box::new(Redacting(logger))).is_ok() {
        log::set_max_level(level);
    }
}

/// Logger that removes the secrets of API keys from every line: clients put them into URLs, which frameworks log.
struct Redacting(Logger);

impl Log for Redacting {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.0.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if self.0.matches(record) {
            let message = record.args().to_string();
            if is_shed(record.target(), &message) {
                return;
            }
            let redacted = api_keys::redact(&message);
            let mut line = Record::builder();
            line.metadata(record.metadata().clone()).module_path(record.module_path());
            self.0.log(&line.args(format_args!("{redacted}")).build());
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
