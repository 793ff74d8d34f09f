//! Concurrent tasks: a connection for each, bounded, and cancelled together on the first failure.
//!
//! `cargo run -p service --example concurrent_tasks`

mod support;

use entity::{address, orders};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, EntityTrait};
use service::orders::totals;
use support::{Error, demo, heading};
use tokio::task::JoinSet;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let demo = demo().await?;

    heading("a task per order, each statement on a connection of its own");
    let mut tasks = JoinSet::new(); // Aborts its tasks when it is dropped, as `asyncio.TaskGroup` does.
    for id in [1, 2, 3] {
        let db = demo.db.clone();
        tasks.spawn(async move { orders::Entity::find_by_id(id).one(db.reader()).await });
    }
    while let Some(order) = tasks.join_next().await {
        if let Some(order) = order?? {
            println!("order {} was placed at {}", order.id, order.order_time);
        }
    }

    heading("the service's form: results in order, at most half of the pool at once");
    for total in totals(&demo.db, vec![1, 2, 3, 99], 1000).await? {
        println!("{}", total.map_or("unknown".to_owned(), |total| total.to_string()));
    }

    heading("producers and one consumer: on SQLite concurrent writes share a commit");
    let mut writes = JoinSet::new();
    for n in 0..4 {
        let db = demo.db.clone();
        writes.spawn(async move {
            db.write(move |txn| {
                Box::pin(async move {
                    let row = address::ActiveModel {
                        flat_number: Set(n),
                        post_code: Set(10_000),
                        ..Default::default()
                    };
                    Ok(row.insert(txn).await?.id)
                })
            })
            .await
        });
    }
    while let Some(id) = writes.join_next().await {
        println!("address {} was inserted", id??);
    }
    Ok(())
}
