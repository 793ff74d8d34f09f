//! Hybrid property: the total of a line as a method and as an SQL expression.
//!
//! `cargo run -p service --example totals`

mod support;

#[path = "totals/hybrid.rs"]
mod hybrid;

use support::{Error, demo, heading};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let demo = demo().await?;
    let db = demo.db.reader();

    heading("on loaded lines: the method");
    println!("{:?}", hybrid::total_in_rust(db, 1).await?.map(|total| total.to_string()));
    heading("in SQL: the expression, summed up by the database");
    println!("{:?}", hybrid::total_in_sql(db, 1).await?.map(|total| total.to_string()));
    heading("lines by their total: the expression as a filter and as an order");
    for (item_id, total) in hybrid::lines_over(db, 500).await? {
        println!("item {item_id}: {total}");
    }
    Ok(())
}
