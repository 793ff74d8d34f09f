//! Loading of relations, in each of the forms that the workshop shows with SQLAlchemy.
//!
//! `cargo run -p service --example loading`

mod support;

#[path = "loading/relations.rs"]
mod relations;

use support::{Error, demo, heading};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let demo = demo().await?;
    let db = demo.db.reader();

    heading("joined: customers with their address, one statement");
    for (customer, address) in relations::customers_joined(db).await? {
        println!("{} lives in flat {}", customer.name, address.flat_number);
    }
    heading("select-in: orders, their customers and their lines, one IN query per relation");
    for order in relations::orders_select_in(db).await? {
        println!(
            "order {} of {}: {} lines",
            order.order.id,
            order.customer.name,
            order.lines.len()
        );
    }
    heading("explicit: the address of one customer, when it is needed");
    if let Some(address) = relations::address_of(db, 1).await? {
        println!("post code {}", address.post_code);
        heading("explicit: the customer of an address, the other end of the relation");
        if let Some(customer) = relations::customer_at(db, &address).await? {
            println!("{}", customer.name);
        }
    }
    heading("N+1: one statement per customer, visible as an await in a loop");
    println!("{} orders", relations::orders_n_plus_one(db).await?);
    heading("entity loader: an order with all of its relations");
    if let Some(order) = relations::order_by_loader(db, 1).await? {
        println!("order {} has {} lines", order.id, order.order_items.len());
    }
    heading("one order, its lines and their items: one joined statement");
    if let Some((order, lines)) = relations::order_joined(db, 1).await? {
        println!("order {} has {} lines", order.id, lines.len());
        heading("many-to-many: the items of an order, through the junction table");
        for item in relations::items_of_order(db, &order).await? {
            let orders = relations::orders_of_item(db, &item).await?;
            println!("{} is in {} orders", item.name, orders.len());
        }
    }
    Ok(())
}
