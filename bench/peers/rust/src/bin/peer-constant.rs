//! Answers every request with so many bytes: what HTTP alone allows.

use actix_web::{
    App, HttpResponse, HttpServer,
    web::{Bytes, Path, get, post},
};
use clap::Parser;

/// The longest answer.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// An HTTP server that answers `/{bytes}` with a JSON string of so many bytes
#[derive(Parser)]
struct Cli {
    /// Address and port to listen at
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9092")]
    listen: String,
    /// Threads that answer requests; one per core by default
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

/// So many bytes, quotes included.
fn json_string(bytes: usize) -> Option<String> {
    let between = bytes.checked_sub(2).filter(|_| bytes <= MAX_BYTES)?;
    Some(format!("\"{}\"", "x".repeat(between)))
}
