//! Benchmark peer with hand-written SQL on sqlx: the baseline for the cost of an ORM. Its responses equal
//! those of marketsvc.

mod cents;
mod database;
mod error;
mod place;
mod sql;
mod stream;
mod time;
mod tutorial;
mod v1;

use actix_web::{
    App, HttpServer,
    web::{Data, get, post},
};
use clap::Parser;

use database::Database;

/// Marketplace API with hand-written SQL, on SQLite or PostgreSQL
#[derive(Parser)]
struct Cli {
    /// Address and port to listen on
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9091")]
    listen: String,
    /// `sqlite://FILE` or `postgres://USER@HOST/DATABASE`, with marketsvc's schema
    #[arg(long, value_name = "URL")]
    database_url: String,
    /// Number of worker threads; one per core by default
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
}

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    let Cli { listen, database_url, workers } = Cli::parse();
    let db = Data::new(Database::connect(&database_url).await?);
    let mut server = HttpServer::new(move || {
        App::new()
            .app_data(db.clone())
            .route("/", get().to(tutorial::welcome))
            .route("/api/customers", get().to(tutorial::customers))
            .route("/api/orders/{customer_id}", get().to(tutorial::orders_of_customer))
            .route("/api/order_total/{order_id}", get().to(tutorial::order_total))
            .route("/api/orders_total", get().to(tutorial::orders_total))
            .route(
                "/api/orders_between_dates/{before}/{after}",
                get().to(tutorial::orders_between_dates),
            )
            .route("/api/add_new_order", post().to(place::add_new_order))
            .route("/api/v1/orders", get().to(v1::orders))
            .route("/api/v1/orders/{order_id}", get().to(v1::order))
    });
    if let Some(workers) = workers {
        server = server.workers(workers);
    }
    Ok(server.bind(listen)?.run().await?)
}
