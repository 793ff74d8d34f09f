//! Streams: the driver's own, which holds a connection, and pages by key, which do not.
//!
//! `cargo run -p service --example streaming`

mod support;

use std::time::Duration;

use entity::customer;
use futures_util::TryStreamExt;
use sea_orm::{EntityTrait, QueryOrder};
use service::customers;
use support::{Error, demo, heading};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let demo = demo().await?;

    heading("pages by key: a connection is taken for each page and given back");
    let mut pages = std::pin::pin!(customers::stream(demo.db.clone()));
    while let Some(page) = pages.try_next().await? {
        for customer in page.rows {
            println!("{} lives in flat {}", customer.name, customer.address.flat_number);
        }
    }

    heading("the driver's stream: one statement, and a connection until the last row is read");
    // The pool of the service does not stream: a slow reader would hold one of its connections.
    let connections = demo.url.connect(Duration::from_secs(5), |_| {}).await?;
    let mut rows =
        customer::Entity::find().order_by_asc(customer::Column::Id).stream(&connections).await?;
    while let Some(customer) = rows.try_next().await? {
        println!("{}", customer.name);
    }
    Ok(())
}
