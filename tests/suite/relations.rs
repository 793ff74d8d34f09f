//! Relations of the entities, each loaded through SeaORM from both ends, on the tutorial's data.
//!
//! The forms: `find_related` and `find_also_related` for one row, `load_one` and `load_many` for a page of rows,
//! and the entity loader.

use entity::{address, customer, item, order_items, orders};
use sea_orm::{
    DatabaseConnection, EntityLoaderTrait, EntityTrait, LoaderTrait, ModelTrait, QueryOrder, Select,
};

use crate::{
    cases,
    harness::{case::Case, database::TestDatabase},
};

pub fn cases() -> Vec<Case> {
    cases![
        a_customer_and_its_address_lead_to_each_other,
        a_customer_and_its_orders_lead_to_each_other,
        an_order_and_its_lines_lead_to_each_other,
        an_item_and_its_order_lines_lead_to_each_other,
        an_order_and_its_items_lead_to_each_other,
        the_entity_loader_loads_nested_relations,
        a_relation_that_was_not_requested_is_not_loaded,
    ]
}

/// Customers with flat number and post code.
const CUSTOMERS: [(&str, i32, i32); 3] =
    [("Alex", 101, 10001), ("Blake", 201, 10002), ("Cam", 301, 10003)];
const ITEMS: [&str; 4] = ["Milk", "Kit Kat", "Bread", "Onion"];
/// Names of the customers of the orders.
const PLACED_BY: [&str; 3] = ["Alex", "Cam", "Blake"];
/// Order lines: item, quantity, unit price in cents.
const LINES: [&[(&str, i32, i64)]; 3] = [
    &[("Milk", 1, 500), ("Kit Kat", 4, 100), ("Bread", 2, 1050)],
    &[("Kit Kat", 2, 100), ("Onion", 5, 200)],
    &[],
];

/// Loads the tutorial's data and connects to the database.
async fn demo(db: &TestDatabase) -> DatabaseConnection {
    db.run_ok(&["migrate", "up"]).await;
    db.run_ok(&["seed", "demo"]).await;
    db.connect().await
}

async fn all_customers(db: &DatabaseConnection) -> Vec<customer::Model> {
    customer::Entity::find().order_by_id_asc().all(db).await.unwrap()
}

async fn all_orders(db: &DatabaseConnection) -> Vec<orders::Model> {
    orders::Entity::find().order_by_id_asc().all(db).await.unwrap()
}

async fn all_items(db: &DatabaseConnection) -> Vec<item::Model> {
    item::Entity::find().order_by_id_asc().all(db).await.unwrap()
}

/// Selects all order lines by order and item.
fn lines() -> Select<order_items::Entity> {
    order_items::Entity::find()
        .order_by_asc(order_items::Column::OrderId)
        .order_by_asc(order_items::Column::ItemId)
}

/// Returns the quantities and the unit prices of one order in [`LINES`].
fn expected_lines(order: usize) -> Vec<(i32, i64)> {
    LINES[order].iter().map(|(_, quantity, cents)| (*quantity, *cents)).collect()
}

fn loaded_lines(lines: &[order_items::Model]) -> Vec<(i32, i64)> {
    lines.iter().map(|line| (line.quantity, line.unit_price_cents.cents())).collect()
}

/// Returns the names of the items of one order in [`LINES`].
fn expected_items(order: usize) -> Vec<&'static str> {
    LINES[order].iter().map(|(name, ..)| *name).collect()
}

/// Returns the ids of the orders that contain an item.
fn expected_orders(item: &str) -> Vec<i64> {
    let ids = (1..).zip(LINES).filter(|(_, lines)| lines.iter().any(|(name, ..)| *name == item));
    ids.map(|(id, _)| id).collect()
}

async fn a_customer_and_its_address_lead_to_each_other(db: &TestDatabase) {
    let db = &demo(db).await;
    let assert_address = |address: &address::Model, n: usize| {
        let (_, flat_number, post_code) = CUSTOMERS[n];
        assert_eq!((address.flat_number, address.post_code), (flat_number, post_code));
    };

    let joined = customer::Entity::find().order_by_id_asc().find_also_related(address::Entity);
    let joined = joined.all(db).await.unwrap();
    assert_eq!(joined.len(), CUSTOMERS.len());
    for (n, (customer, address)) in joined.iter().enumerate() {
        assert_eq!(customer.name, CUSTOMERS[n].0);
        assert_address(address.as_ref().unwrap(), n);
    }
    let customers = all_customers(db).await;
    let both = customer::Entity::find().order_by_id_asc().find_both_related(address::Entity);
    let both = both.all(db).await.unwrap();
    assert_eq!(both.iter().map(|(customer, _)| customer.clone()).collect::<Vec<_>>(), customers);
    let loaded = customers.load_one(address::Entity, db).await.unwrap();
    for (n, customer) in customers.iter().enumerate() {
        let address = customer.find_related(address::Entity).one(db).await.unwrap().unwrap();
        assert_address(&address, n);
        assert_eq!(loaded[n].as_ref(), Some(&address));
        assert_eq!(both[n].1, address);
    }

    let addresses = address::Entity::find().order_by_id_asc().all(db).await.unwrap();
    let loaded = addresses.load_one(customer::Entity, db).await.unwrap();
    let joined = address::Entity::find().order_by_id_asc().find_also_related(customer::Entity);
    let joined = joined.all(db).await.unwrap();
    for (n, address) in addresses.iter().enumerate() {
        let found = address.find_related(customer::Entity).one(db).await.unwrap();
        assert_eq!(found.as_ref(), Some(&customers[n]));
        assert_eq!((&loaded[n], &joined[n].1), (&found, &found));
    }

    let loaded = customer::Entity::load().with(address::Entity).order_by_id_asc();
    for (n, customer) in loaded.all(db).await.unwrap().into_iter().enumerate() {
        assert_eq!(customer.address.unwrap().post_code, CUSTOMERS[n].2);
    }
    let loaded = address::Entity::load().with(customer::Entity).order_by_id_asc();
    for (n, address) in loaded.all(db).await.unwrap().into_iter().enumerate() {
        assert_eq!(address.customer.unwrap().name, CUSTOMERS[n].0);
    }
}

async fn a_customer_and_its_orders_lead_to_each_other(db: &TestDatabase) {
    let db = &demo(db).await;
    let (customers, orders) = (all_customers(db).await, all_orders(db).await);

    let loaded = orders.load_one(customer::Entity, db).await.unwrap();
    let joined = orders::Entity::find().order_by_id_asc().find_also_related(customer::Entity);
    let joined = joined.all(db).await.unwrap();
    for (n, order) in orders.iter().enumerate() {
        let customer = order.find_related(customer::Entity).one(db).await.unwrap().unwrap();
        assert_eq!(customer.name, PLACED_BY[n]);
        assert_eq!(loaded[n].as_ref(), Some(&customer));
        assert_eq!(joined[n], (order.clone(), Some(customer)));
    }

    let loaded = customers.load_many(orders::Entity, db).await.unwrap();
    let grouped = customer::Entity::find().order_by_id_asc().find_with_related(orders::Entity);
    let grouped = grouped.all(db).await.unwrap();
    for (n, customer) in customers.iter().enumerate() {
        let placed_by_it = |id: &usize| PLACED_BY[*id] == customer.name;
        let expected: Vec<_> = (0..3).filter(placed_by_it).map(|id| orders[id].clone()).collect();
        assert_eq!(customer.find_related(orders::Entity).all(db).await.unwrap(), expected);
        assert_eq!(loaded[n], expected);
        assert_eq!(grouped[n], (customer.clone(), expected));
    }

    let loaded = orders::Entity::load().with(customer::Entity).order_by_id_asc();
    for (n, order) in loaded.all(db).await.unwrap().into_iter().enumerate() {
        assert_eq!(order.customer.unwrap().name, PLACED_BY[n]);
    }
    let loaded = customer::Entity::load().with(orders::Entity).order_by_id_asc();
    let ids = loaded.all(db).await.unwrap().into_iter().map(|customer| customer.orders[0].id);
    assert_eq!(ids.collect::<Vec<_>>(), [1, 3, 2]);
}

async fn an_order_and_its_lines_lead_to_each_other(db: &TestDatabase) {
    let db = &demo(db).await;
    let orders = all_orders(db).await;

    let loaded = orders.load_many(lines(), db).await.unwrap();
    for (n, order) in orders.iter().enumerate() {
        let found = order.find_related(order_items::Entity);
        let found = found.order_by_asc(order_items::Column::ItemId).all(db).await.unwrap();
        assert_eq!(loaded_lines(&found), expected_lines(n));
        assert_eq!(loaded[n], found);
    }

    let lines = lines().all(db).await.unwrap();
    let loaded = lines.load_one(orders::Entity, db).await.unwrap();
    assert_eq!(lines.len(), LINES.concat().len());
    for (line, order) in lines.iter().zip(loaded) {
        assert_eq!(order.as_ref().map(|order| order.id), Some(line.order_id));
        assert_eq!(line.find_related(orders::Entity).one(db).await.unwrap(), order);
    }

    let loaded = orders::Entity::load().with(order_items::Entity).order_by_id_asc();
    for (n, order) in loaded.all(db).await.unwrap().into_iter().enumerate() {
        assert!(order.order_items.is_loaded());
        let mut lines: Vec<_> = order.order_items.into_iter().collect();
        lines.sort_by_key(|line| line.item_id);
        let lines = lines.iter().map(|line| (line.quantity, line.unit_price_cents.cents()));
        assert_eq!(lines.collect::<Vec<_>>(), expected_lines(n));
    }
}

async fn an_item_and_its_order_lines_lead_to_each_other(db: &TestDatabase) {
    let db = &demo(db).await;
    let items = all_items(db).await;
    assert_eq!(items.iter().map(|item| item.name.as_str()).collect::<Vec<_>>(), ITEMS);

    let loaded = items.load_many(lines(), db).await.unwrap();
    for (n, item) in items.iter().enumerate() {
        let found = item.find_related(order_items::Entity);
        let found = found.order_by_asc(order_items::Column::OrderId).all(db).await.unwrap();
        let orders: Vec<_> = found.iter().map(|line| line.order_id).collect();
        assert_eq!(orders, expected_orders(&item.name));
        assert_eq!(loaded[n], found);
    }

    let all_lines = lines().all(db).await.unwrap();
    let loaded = all_lines.load_one(item::Entity, db).await.unwrap();
    let joined = lines().find_also_related(item::Entity).all(db).await.unwrap();
    let expected = LINES.concat();
    assert_eq!(joined.len(), expected.len());
    for (n, (line, item)) in joined.into_iter().enumerate() {
        assert_eq!(item.as_ref().map(|item| item.name.as_str()), Some(expected[n].0));
        assert_eq!(line.find_related(item::Entity).one(db).await.unwrap(), item);
        assert_eq!((&all_lines[n], &loaded[n]), (&line, &item));
    }

    let loaded = order_items::Entity::load().with(item::Entity).all(db).await.unwrap();
    assert_eq!(loaded.len(), expected.len());
    for line in loaded {
        assert_eq!(line.item.unwrap().id, line.item_id);
    }
    let loaded = item::Entity::load().with(order_items::Entity).order_by_id_asc();
    for item in loaded.all(db).await.unwrap() {
        assert_eq!(item.order_items.len(), expected_orders(&item.name).len());
    }
}

/// Through the junction `order_items`, whose own columns are not loaded.
async fn an_order_and_its_items_lead_to_each_other(db: &TestDatabase) {
    let db = &demo(db).await;
    let (orders, items) = (all_orders(db).await, all_items(db).await);
    let names = |items: &[item::Model]| -> Vec<String> {
        items.iter().map(|item| item.name.clone()).collect()
    };

    let loaded = orders.load_many(item::Entity::find().order_by_id_asc(), db).await.unwrap();
    for (n, order) in orders.iter().enumerate() {
        let found = order.find_related(item::Entity).order_by_id_asc().all(db).await.unwrap();
        assert_eq!(names(&found), expected_items(n));
        assert_eq!(names(&loaded[n]), expected_items(n));
    }
    let loaded = items.load_many(orders::Entity::find().order_by_id_asc(), db).await.unwrap();
    for (n, item) in items.iter().enumerate() {
        let found = item.find_related(orders::Entity).order_by_id_asc().all(db).await.unwrap();
        let ids: Vec<_> = found.iter().map(|order| order.id).collect();
        assert_eq!(ids, expected_orders(&item.name));
        assert_eq!(loaded[n], found);
    }

    let loaded = orders::Entity::load().with(item::Entity).order_by_id_asc();
    for (n, order) in loaded.all(db).await.unwrap().into_iter().enumerate() {
        let mut items: Vec<_> = order.items.into_iter().collect();
        items.sort_by_key(|item| item.id);
        let names: Vec<_> = items.iter().map(|item| item.name.as_str()).collect();
        assert_eq!(names, expected_items(n));
    }
    let loaded = item::Entity::load().with(orders::Entity).order_by_id_asc();
    for item in loaded.all(db).await.unwrap() {
        assert_eq!(item.orders.len(), expected_orders(&item.name).len());
    }
}

async fn the_entity_loader_loads_nested_relations(db: &TestDatabase) {
    let db = &demo(db).await;
    let loader = orders::Entity::load()
        .with((customer::Entity, address::Entity))
        .with((order_items::Entity, item::Entity))
        .order_by_id_asc();
    let orders = loader.all(db).await.unwrap();
    assert_eq!(orders.len(), PLACED_BY.len());
    for (n, order) in orders.into_iter().enumerate() {
        let customer = order.customer.unwrap();
        let (name, flat_number, _) =
            CUSTOMERS.into_iter().find(|(name, ..)| *name == PLACED_BY[n]).unwrap();
        assert_eq!(customer.name, name);
        assert_eq!(customer.address.unwrap().flat_number, flat_number);
        let mut lines: Vec<_> = order.order_items.into_iter().collect();
        lines.sort_by_key(|line| line.item_id);
        let names = lines.into_iter().map(|line| line.item.unwrap().name);
        assert_eq!(names.collect::<Vec<_>>(), expected_items(n));
    }

    let joined = orders::Entity::find()
        .order_by_id_asc()
        .find_also_related(order_items::Entity)
        .and_also_related(item::Entity)
        .consolidate();
    let joined = joined.all(db).await.unwrap();
    assert_eq!(joined.len(), LINES.len());
    for (n, (_, lines)) in joined.into_iter().enumerate() {
        let mut lines: Vec<_> = lines;
        lines.sort_by_key(|(line, _)| line.item_id);
        let names = lines.into_iter().map(|(_, items)| items[0].name.clone());
        assert_eq!(names.collect::<Vec<_>>(), expected_items(n));
    }
}

/// SQLAlchemy's `lazy="raise"`: nothing is loaded that was not requested.
async fn a_relation_that_was_not_requested_is_not_loaded(db: &TestDatabase) {
    let db = &demo(db).await;
    let order = orders::Entity::load().filter_by_id(1).one(db).await.unwrap().unwrap();
    assert!(order.customer.is_unloaded());
    assert!(order.order_items.is_unloaded() && order.items.is_unloaded());
    assert!(order.order_items.is_empty());
    let customer = customer::Entity::load().with(address::Entity).filter_by_id(1);
    let customer = customer.one(db).await.unwrap().unwrap();
    assert!(customer.address.is_loaded() && customer.orders.is_unloaded());
}
