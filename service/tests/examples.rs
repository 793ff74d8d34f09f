//! The idiomatic forms of the examples load and store what the service does.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

#[path = "../examples/totals/hybrid.rs"]
mod hybrid;
#[path = "../examples/loading/relations.rs"]
mod relations;
#[path = "../examples/writing/unit_of_work.rs"]
mod unit_of_work;

use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::EntityTrait;
use service::{
    Database, Settings, customers,
    domain::{OrderLine, OrderLines, Quantity},
    orders::{self, Expand, NewOrder},
    seed,
};
use tempfile::TempDir;

async fn demo() -> (TempDir, Database) {
    let directory = TempDir::new().unwrap();
    let url = format!("sqlite://{}/test.db?mode=rwc", directory.path().display());
    let url = url.parse().unwrap();
    migration::run(&url, migration::Command::Up { steps: None }).await.unwrap();
    let acquire_timeout = Duration::from_secs(5);
    let settings = Settings { replicas: None, max_connections: 2, acquire_timeout };
    let db = Database::connect(&url, settings).await.unwrap();
    seed::demo(&db).await.unwrap();
    (directory, db)
}

const EVERYTHING: Expand = Expand { customer: true, address: true, item: true };

#[tokio::test]
async fn every_way_to_load_customers_finds_the_same() {
    let (_directory, db) = demo().await;
    let joined = relations::customers_joined(db.reader()).await.unwrap();
    assert_eq!(joined.len(), 3);
    for (customer, address) in joined {
        let explicit = relations::address_of(db.reader(), customer.id).await.unwrap();
        assert_eq!(explicit.as_ref(), Some(&address));
        let back = relations::customer_at(db.reader(), &address).await.unwrap();
        assert_eq!(back.as_ref(), Some(&customer));
        let served = customers::get(db.reader(), customer.id).await.unwrap();
        assert_eq!(served, customers::Customer::from((&customer, &address)));
    }
    assert!(relations::address_of(db.reader(), 99).await.unwrap().is_none());
}

#[tokio::test]
async fn every_way_to_load_an_order_finds_the_same() {
    let (_directory, db) = demo().await;
    let loaded = relations::orders_select_in(db.reader()).await.unwrap();
    assert_eq!(relations::orders_n_plus_one(db.reader()).await.unwrap(), loaded.len());
    for relations::LoadedOrder { order, customer, lines } in loaded {
        let served = orders::get(db.reader(), order.id, EVERYTHING).await.unwrap();
        let served_customer = served.customer.unwrap();
        assert_eq!((served.customer_id, served_customer.name), (customer.id, customer.name));
        assert_eq!(served.order_time.naive_utc(), order.order_time);
        let expected: Vec<_> = lines
            .iter()
            .map(|(line, item)| (item.name.clone(), line.quantity, line.item_total().unwrap()))
            .collect();
        let found: Vec<_> = served
            .items
            .iter()
            .map(|line| (line.name.clone(), line.quantity, line.item_total))
            .collect();
        assert_eq!(found, expected);

        let (joined, joined_lines) =
            relations::order_joined(db.reader(), order.id).await.unwrap().unwrap();
        assert_eq!(joined, order);
        let joined_lines: Vec<_> =
            joined_lines.into_iter().map(|(line, items)| (line, items[0].clone())).collect();
        assert_eq!(joined_lines, lines);
        let by_loader = relations::order_by_loader(db.reader(), order.id).await.unwrap().unwrap();
        assert_eq!(by_loader.order_items.len(), lines.len());
        let items = relations::items_of_order(db.reader(), &order).await.unwrap();
        for item in &items {
            let orders = relations::orders_of_item(db.reader(), item).await.unwrap();
            assert!(orders.contains(&order), "{item:?}");
        }
        assert_eq!(items, lines.into_iter().map(|(_, item)| item).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn both_halves_of_the_hybrid_property_give_the_total_of_the_service() {
    let (_directory, db) = demo().await;
    for id in [1, 2, 3] {
        let total = orders::total(db.reader(), id).await.unwrap();
        assert_eq!(hybrid::total_in_rust(db.reader(), id).await.unwrap(), Some(total));
        assert_eq!(hybrid::total_in_sql(db.reader(), id).await.unwrap(), Some(total));
    }
    assert_eq!(hybrid::total_in_rust(db.reader(), 99).await.unwrap(), None);
    assert_eq!(hybrid::total_in_sql(db.reader(), 99).await.unwrap(), None);
    let over = hybrid::lines_over(db.reader(), 500).await.unwrap();
    assert_eq!(over.iter().map(|(item, _)| *item).collect::<Vec<_>>(), [3, 4]);
}

#[tokio::test]
async fn an_order_of_the_unit_of_work_is_the_order_that_the_service_places() {
    let (_directory, db) = demo().await;
    let now: DateTime<Utc> = "2024-04-01T12:00:00Z".parse().unwrap();
    let by_hand = db
        .write(move |txn| {
            Box::pin(async move {
                Ok(unit_of_work::insert_order(txn, 1, &[(2, 4), (3, 6)], now).await?.id)
            })
        })
        .await
        .unwrap();
    let line = |(item_id, quantity): (i64, i64)| OrderLine {
        item_id,
        quantity: Quantity::try_from(quantity).unwrap(),
    };
    let lines = OrderLines::try_from([(3, 6), (2, 4)].map(line).to_vec()).unwrap();
    let placed = orders::place(&db, NewOrder { customer_id: 1, lines }, None, now).await.unwrap();
    let mut by_hand = orders::get(db.reader(), by_hand, EVERYTHING).await.unwrap();
    let placed = orders::get(db.reader(), placed.id, EVERYTHING).await.unwrap();
    by_hand.id = placed.id;
    assert_eq!(by_hand, placed);
}

#[tokio::test]
async fn a_changed_and_deleted_item_is_gone() {
    let (_directory, db) = demo().await;
    let changed = db
        .write(|txn| {
            Box::pin(async move {
                let item = unit_of_work::insert_item(txn, "Salt", 120).await?;
                let item = unit_of_work::set_price(txn, item, 130).await?;
                unit_of_work::delete_item(txn, item.clone()).await?;
                Ok(item)
            })
        })
        .await
        .unwrap();
    assert_eq!(changed.price_cents.cents(), 130);
    let found = entity::item::Entity::find_by_id(changed.id).one(db.reader()).await.unwrap();
    assert_eq!(found, None);
}
