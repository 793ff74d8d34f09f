//! Benchmark peer that returns constant responses: the upper bound of the HTTP layer.

use actix_web::{
    App, HttpResponse, HttpServer,
    web::{Bytes, Path, get, post},
};
use clap::Parser;

/// Maximum response size.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// HTTP server that responds to `/{bytes}` with a JSON string of that length
#[derive(Parser)]
struct Cli {
    /// Address and port to listen on
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9092")]
    listen: String,
    /// Number of worker threads; one per core by default
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
}

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    let Cli { listen, workers } = Cli::parse();
    let mut server = HttpServer::new(|| {
        App::new().route("/{bytes}", get().to(read)).route("/{bytes}", post().to(write))
    });
    if let Some(workers) = workers {
        server = server.workers(workers);
    }
    Ok(server.bind(listen)?.run().await?)
}

async fn read(bytes: Path<usize>) -> HttpResponse {
    match json_string(*bytes) {
        Some(json) => HttpResponse::Ok().content_type("application/json").body(json),
        None => HttpResponse::BadRequest().finish(),
    }
}

async fn write(bytes: Path<usize>, _read: Bytes) -> HttpResponse {
    match json_string(*bytes) {
        Some(json) => HttpResponse::Created().content_type("application/json").body(json),
        None => HttpResponse::BadRequest().finish(),
    }
}

/// Returns a JSON string of `bytes` bytes, quotes included.
fn json_string(bytes: usize) -> Option<String> {
    let between = bytes.checked_sub(2).filter(|_| bytes <= MAX_BYTES)?;
    Some(format!("\"{}\"", "x".repeat(between)))
}
