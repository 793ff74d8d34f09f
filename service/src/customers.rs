//! Customers, each with an address that is theirs alone.

use chrono::{DateTime, Utc};
use entity::{address, customer, orders};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, NotSet,
    QueryFilter, QueryResult, QuerySelect, QueryTrait, Select, Set,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Database, Error, Result,
    idempotency::{self, Created, IdempotencyKey, Identified},
    list::{Key, Page, Position, SortField, Window, starts_with},
    statement::{self, ById},
    version::Precondition,
};

/// Someone who places orders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Customer {
    /// Their id.
    #[schema(example = 1)]
    pub id: i64,
    /// What they are called.
    #[schema(example = "Alex")]
    pub name: String,
    /// Where they live.
    pub address: Address,
}

impl Identified for Customer {
    fn id(&self) -> i64 {
        self.id
    }
}

/// Where a customer lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Address {
    /// The flat within the house.
    #[schema(example = 101)]
    pub flat_number: i32,
    /// The post code of the house.
    #[schema(example = 10001)]
    pub post_code: i32,
}

/// A customer to add.
#[derive(Clone, Debug)]
pub struct NewCustomer {
    /// What they are called.
    pub name: String,
    /// Where they live.
    pub address: Address,
}

/// What to change of a customer; `None` leaves it as it is.
#[derive(Clone, Debug, Default)]
pub struct CustomerChange {
    /// What they are called from now on.
    pub name: Option<String>,
    /// The flat from now on.
    pub flat_number: Option<i32>,
    /// The post code from now on.
    pub post_code: Option<i32>,
}

/// By what customers are sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CustomerField {
    /// By id.
    Id,
    /// By name, in the order of Unicode's code points.
    Name,
}

impl SortField for CustomerField {
    type Entity = customer::Entity;
    type Row = Customer;

    const ALL: &'static [(&'static str, Self)] = &[("id", Self::Id), ("name", Self::Name)];
    const ID: customer::Column = customer::Column::Id;

    fn column(self) -> customer::Column {
        match self {
            Self::Id => customer::Column::Id,
            Self::Name => customer::Column::Name,
        }
    }

    fn fits(self, key: &Key) -> bool {
        match self {
            Self::Id => matches!(key, Key::Number(_)),
            Self::Name => key.is_name(),
        }
    }

    fn position(self, customer: &Customer) -> Position {
        let key = match self {
            Self::Id => Key::Number(customer.id),
            Self::Name => Key::Text(customer.name.clone()),
        };
        Position { key, id: customer.id }
    }
}

/// The customer with their address. One statement.
pub async fn get(db: &impl ConnectionTrait, id: i64) -> Result<Customer> {
    one(db, find(id), id).await
}

/// A page of the customers whose name starts with `prefix`, with their addresses. One statement.
pub async fn list(
    db: &impl ConnectionTrait,
    window: &Window<CustomerField>,
    prefix: Option<&str>,
) -> Result<Page<Customer>> {
    let mut customers = customer::Entity::find().inner_join(address::Entity);
    if let Some(prefix) = prefix {
        customers = customers.filter(starts_with(
            db.get_database_backend(),
            customer::Column::Name,
            prefix,
        ));
    }
    Ok(window.page(load(db, window.of(customers, db.get_database_backend())).await?))
}

/// Customers in a page of [`list_all`]: some tens of kilobytes of JSON.
const PAGE: u64 = 500;

/// A page of all customers by id, with their addresses. One statement.
pub async fn list_all(
    db: &impl ConnectionTrait,
    after: Option<Position>,
) -> Result<Page<Customer>> {
    static STATEMENT: ById = ById::new(|backend, id| {
        let after = Position { key: Key::Number(id), id };
        let page = all(Some(after)).of(customer::Entity::find(), backend);
        select(page.inner_join(address::Entity)).into_query()
    });
    // No id is less.
    let id = after.as_ref().map_or(i64::MIN + 1, |after| after.id);
    let rows = db.query_all_raw(STATEMENT.bind(db.get_database_backend(), id)).await?;
    Ok(all(after).page(rows.iter().map(read).collect::<Result<_>>()?))
}

fn all(after: Option<Position>) -> Window<CustomerField> {
    Window::ascending(CustomerField::Id, PAGE, after)
}

/// Adds a customer with their address.
pub async fn create(
    db: &Database,
    customer: NewCustomer,
    key: Option<IdempotencyKey>,
    now: DateTime<Utc>,
) -> Result<Created> {
    idempotency::create(db, key, now, move |txn| Box::pin(insert(txn, customer.clone()))).await
}

async fn insert(txn: &DatabaseTransaction, customer: NewCustomer) -> Result<Customer> {
    let NewCustomer { name, address } = customer;
    let row = address::ActiveModel {
        id: NotSet,
        flat_number: Set(address.flat_number),
        post_code: Set(address.post_code),
    };
    let address_id = address::Entity::insert(row).exec(txn).await?.last_insert_id;
    let row =
        customer::ActiveModel { id: NotSet, name: Set(name.clone()), address_id: Set(address_id) };
    let id = customer::Entity::insert(row).exec(txn).await?.last_insert_id;
    Ok(Customer { id, name, address })
}

/// Changes a customer, if they are still as the caller saw them.
pub async fn update(
    db: &Database,
    id: i64,
    change: CustomerChange,
    precondition: Precondition,
) -> Result<Customer> {
    db.write(move |txn| Box::pin(update_in(txn, id, change.clone(), precondition.clone()))).await
}

async fn update_in(
    txn: &DatabaseTransaction,
    id: i64,
    change: CustomerChange,
    precondition: Precondition,
) -> Result<Customer> {
    let (mut customer, address_id) = lock(txn, id).await?;
    precondition.check(&customer)?;
    let CustomerChange { name, flat_number, post_code } = change;
    if let Some(name) = name {
        let row = customer::ActiveModel { name: Set(name.clone()), ..Default::default() };
        let this = customer::Column::Id.eq(id);
        customer::Entity::update_many().set(row).filter(this).exec(txn).await?;
        customer.name = name;
    }
    let mut row = address::ActiveModel { id: NotSet, ..Default::default() };
    if let Some(flat_number) = flat_number {
        row.flat_number = Set(flat_number);
        customer.address.flat_number = flat_number;
    }
    if let Some(post_code) = post_code {
        row.post_code = Set(post_code);
        customer.address.post_code = post_code;
    }
    if row.is_changed() {
        let theirs = address::Column::Id.eq(address_id);
        address::Entity::update_many().set(row).filter(theirs).exec(txn).await?;
    }
    Ok(customer)
}

/// Removes a customer who has placed no order, with their address, if they are still as the caller saw
/// them.
pub async fn delete(db: &Database, id: i64, precondition: Precondition) -> Result<()> {
    db.write(move |txn| Box::pin(delete_in(txn, id, precondition.clone()))).await
}

async fn delete_in(txn: &DatabaseTransaction, id: i64, precondition: Precondition) -> Result<()> {
    let (customer, address_id) = lock(txn, id).await?;
    precondition.check(&customer)?;
    let order: Option<i64> = orders::Entity::find()
        .select_only()
        .column(orders::Column::Id)
        .filter(orders::Column::CustomerId.eq(id))
        .limit(1)
        .into_tuple()
        .one(txn)
        .await?;
    if let Some(order) = order {
        return Err(Error::InUse { what: "customer", id, order });
    }
    customer::Entity::delete_by_id(id).exec(txn).await?;
    address::Entity::delete_by_id(address_id).exec(txn).await?;
    Ok(())
}

/// The customer and the id of their address, which nobody else changes before the transaction ends.
async fn lock(txn: &DatabaseTransaction, id: i64) -> Result<(Customer, i64)> {
    let unknown = Error::NotFound { what: "customer", id };
    let row = customer::Entity::find_by_id(id).lock_exclusive().one(txn).await?.ok_or(unknown)?;
    // Whoever changes an address has locked its customer.
    let customer = one(txn, find(id).lock_exclusive(), id).await?;
    Ok((customer, row.address_id))
}

fn find(id: i64) -> Select<customer::Entity> {
    customer::Entity::find_by_id(id).inner_join(address::Entity)
}

async fn one(
    db: &impl ConnectionTrait,
    customers: Select<customer::Entity>,
    id: i64,
) -> Result<Customer> {
    let customer = load(db, customers).await?.pop();
    customer.ok_or(Error::NotFound { what: "customer", id })
}

/// The customers that `select` finds, joined with their addresses.
async fn load(
    db: &impl ConnectionTrait,
    customers: Select<customer::Entity>,
) -> Result<Vec<Customer>> {
    let statement = statement::build(db.get_database_backend(), &select(customers).into_query());
    db.query_all_raw(statement).await?.iter().map(read).collect()
}

/// What [`read`] reads.
fn select(customers: Select<customer::Entity>) -> Select<customer::Entity> {
    customers
        .select_only()
        .columns([customer::Column::Id, customer::Column::Name])
        .columns([address::Column::FlatNumber, address::Column::PostCode])
}

/// Reads the columns by their place in [`select`].
fn read(row: &QueryResult) -> Result<Customer> {
    let address = Address { flat_number: row.try_get_by(2)?, post_code: row.try_get_by(3)? };
    Ok(Customer { id: row.try_get_by(0)?, name: row.try_get_by(1)?, address })
}
