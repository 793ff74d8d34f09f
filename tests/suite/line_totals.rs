//! Both halves of the hybrid property `item_total`: the method of a loaded line and the SQL expression.

use entity::{Money, order_items};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter,
    QuerySelect,
};

use crate::{
    cases,
    harness::{case::Case, database::TestDatabase},
};

pub fn cases() -> Vec<Case> {
    cases![the_total_of_a_line_is_the_same_in_rust_and_in_sql]
}

/// Number of lines that are tried.
const SAMPLES: u32 = 200;

/// Unit prices in cents and quantities at the ends of their ranges and between, whose product is a 64-bit number.
fn lines() -> impl Strategy<Value = (i64, i32)> {
    let max = Money::MAX.cents();
    let prices = prop_oneof![0..=200_000_i64, Just(max), Just(max / 3), 0..=max];
    let quantities = prop_oneof![1..=10_i32, Just(i32::MAX), 1..=i32::MAX];
    (prices, quantities).prop_filter("more than 64 bits", |(price, quantity)| {
        price.checked_mul(i64::from(*quantity)).is_some()
    })
}

async fn the_total_of_a_line_is_the_same_in_rust_and_in_sql(db: &TestDatabase) {
    db.generate(1, SAMPLES, 1, 1).await;
    let db = db.connect().await;
    order_items::Entity::delete_many().exec(&db).await.unwrap();
    let mut runner = TestRunner::new(Config::default());
    for item_id in 1..=i64::from(SAMPLES) {
        let (cents, quantity) = lines().new_tree(&mut runner).unwrap().current();
        let line = order_items::Model {
            order_id: 1,
            item_id,
            quantity,
            unit_price_cents: Money::from_cents(cents),
        };
        line.into_active_model().reset_all().insert(&db).await.unwrap();
    }
    let lines = order_items::Entity::find().all(&db).await.unwrap();
    assert_eq!(lines.len(), SAMPLES as usize);
    for line in lines {
        let in_sql: Option<i64> = order_items::Entity::find_by_id((1, line.item_id))
            .select_only()
            .expr(order_items::item_total())
            .into_tuple()
            .one(&db)
            .await
            .unwrap();
        // The method returns none for a product that is no amount.
        let valid = in_sql.map(Money::from_cents).filter(|total| total.is_valid());
        assert_eq!(line.item_total(), valid, "{line:?}");
    }

    let small = order_items::Column::UnitPriceCents
        .lte(1_000_000)
        .and(order_items::Column::Quantity.lte(1_000_000));
    let lines = order_items::Entity::find().filter(small.clone()).all(&db).await.unwrap();
    let sum = lines.iter().map(|line| line.item_total().unwrap().cents()).sum();
    let summed: Option<Money> = order_items::Entity::find()
        .filter(small)
        .select_only()
        .expr(order_items::sum_of_item_totals(sea_orm::ConnectionTrait::get_database_backend(&db)))
        .into_tuple()
        .one(&db)
        .await
        .unwrap();
    assert_eq!(summed, Some(Money::from_cents(sum)));
}
