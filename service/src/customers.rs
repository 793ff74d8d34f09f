//! Customers, each with an address of their own.

use chrono::{DateTime, Utc};
use entity::{address, customer, orders};
use futures_util::Stream;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseTransaction,
    EntityTrait, IntoActiveModel, ModelTrait, QueryFilter, QuerySelect, QueryTrait, Select,
    SelectExt,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Database, Error, Result,
    database::query::{CompiledQuery, fetch},
    domain::{AddressNumber, Name, NamePrefix},
    idempotency::{self, Created, IdempotencyKey, Identified},
    pagination::{Cursor, Page, PageRequest, SortField, SortValue, pages, starts_with},
    version::Precondition,
};

/// Customer with the address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Customer {
    /// Id.
    #[schema(example = 1)]
    pub id: i64,
    /// Name.
    #[schema(example = "Alex")]
    pub name: String,
    /// Address.
    pub address: Address,
}

impl Identified for Customer {
    fn id(&self) -> i64 {
        self.id
    }
}

/// Address of a customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Address {
    /// Number of the flat in the building.
    #[schema(example = 101)]
    pub flat_number: i32,
    /// Post code.
    #[schema(example = 10001)]
    pub post_code: i32,
}

/// Columns of a customer and the address.
type CustomerRow = (i64, String, i32, i32);

impl From<CustomerRow> for Customer {
    fn from((id, name, flat_number, post_code): CustomerRow) -> Self {
        Self { id, name, address: Address { flat_number, post_code } }
    }
}

impl From<(&customer::Model, &address::Model)> for Customer {
    fn from((customer, address): (&customer::Model, &address::Model)) -> Self {
        let address::Model { id: _, flat_number, post_code } = *address;
        let customer::Model { id, name, address_id: _ } = customer;
        Self { id: *id, name: name.clone(), address: Address { flat_number, post_code } }
    }
}

/// New customer.
#[derive(Clone, Debug)]
pub struct NewCustomer {
    /// Name.
    pub name: Name,
    /// Address.
    pub address: NewAddress,
}

/// Address of a new customer.
#[derive(Clone, Copy, Debug)]
pub struct NewAddress {
    /// Number of the flat in the building.
    pub flat_number: AddressNumber,
    /// Post code.
    pub post_code: AddressNumber,
}

/// Changes of a customer; `None` leaves a field as it is.
#[derive(Clone, Debug, Default)]
pub struct CustomerChange {
    /// New name.
    pub name: Option<Name>,
    /// New number of the flat.
    pub flat_number: Option<AddressNumber>,
    /// New post code.
    pub post_code: Option<AddressNumber>,
}

/// Field by which customers are sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CustomerSort {
    /// Id.
    Id,
    /// Name, by Unicode code points.
    Name,
}

impl SortField for CustomerSort {
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

    fn accepts(self, value: &SortValue) -> bool {
        match self {
            Self::Id => value.is_number(),
            Self::Name => value.is_name(),
        }
    }

    fn cursor(self, customer: &Customer) -> Cursor {
        let key = match self {
            Self::Id => SortValue::Number(customer.id),
            Self::Name => SortValue::Text(customer.name.clone()),
        };
        Cursor { key, id: customer.id }
    }
}

/// Returns the customer with the address. One statement: the address is joined.
///
/// # Errors
/// [`Error::NotFound`]
pub async fn get(db: &impl ConnectionTrait, id: i64) -> Result<Customer> {
    let (customer, address) = find(db, customer::Entity::find_by_id(id), id).await?;
    Ok(Customer::from((&customer, &address)))
}

/// Returns a page of the customers whose name starts with `prefix`, with their addresses. One statement: addresses
/// are joined.
pub async fn list(
    db: &impl ConnectionTrait,
    page: &PageRequest<CustomerSort>,
    prefix: Option<&NamePrefix>,
) -> Result<Page<Customer>> {
    let backend = db.get_database_backend();
    let customers = customer::Entity::find().apply_if(prefix, |customers, prefix| {
        customers.filter(starts_with(backend, customer::Column::Name, prefix.as_str()))
    });
    let query = with_address(page.apply(customers, backend)).into_query();
    let rows: Vec<CustomerRow> = fetch(db, &query).await?;
    Ok(page.page(rows.into_iter().map(Customer::from).collect()))
}

/// Number of customers in a page of [`stream`]: some tens of kilobytes of JSON.
const STREAM_PAGE: u64 = 500;

/// Streams all customers with their addresses, by id. One statement a page of 500: addresses are joined.
pub fn stream(db: Database) -> impl Stream<Item = Result<Page<Customer>>> {
    pages(move |after| {
        let db = db.clone();
        async move { stream_page(db.page_reader(after.is_none()), after).await }
    })
}

/// Compiled: building the text would take a tenth of the time of a short list.
async fn stream_page(db: &impl ConnectionTrait, after: Option<Cursor>) -> Result<Page<Customer>> {
    static PAGE: CompiledQuery<CustomerRow, ()> = CompiledQuery::new();
    let start = after.as_ref().map_or(i64::MIN, |after| after.id);
    let build = |_| {
        let customers = customer::Entity::find().filter(customer::Column::Id.gt(start));
        with_address(customers).order_by_id_asc().limit(STREAM_PAGE + 1).into_query()
    };
    let rows = PAGE.all(db, (), vec![start.into()], build).await?;
    let page = PageRequest::ascending(CustomerSort::Id, STREAM_PAGE, after);
    Ok(page.page(rows.into_iter().map(Customer::from).collect()))
}

/// Selects the columns of a [`CustomerRow`].
fn with_address(customers: Select<customer::Entity>) -> Select<customer::Entity> {
    customers
        .inner_join(address::Entity)
        .select_only()
        .columns([customer::Column::Id, customer::Column::Name])
        .columns([address::Column::FlatNumber, address::Column::PostCode])
}

/// Fails unless the customer exists. One statement.
pub(crate) async fn require(db: &impl ConnectionTrait, id: i64) -> Result<()> {
    let exists = customer::Entity::find_by_id(id).exists(db).await?;
    if exists { Ok(()) } else { Err(Error::NotFound { what: "customer", id }) }
}

/// Adds a customer with the address. Two statements, on MySQL four, which has no RETURNING.
///
/// # Errors
/// [`Error::KeyReused`]
pub async fn create(
    db: &Database,
    customer: NewCustomer,
    key: Option<IdempotencyKey>,
    now: DateTime<Utc>,
) -> Result<Created> {
    idempotency::create(db, key, now, move |txn| Box::pin(insert(txn, customer.clone()))).await
}

async fn insert(txn: &DatabaseTransaction, new: NewCustomer) -> Result<Customer> {
    let NewCustomer { name, address: NewAddress { flat_number, post_code } } = new;
    let address = address::ActiveModel {
        flat_number: Set(flat_number.get()),
        post_code: Set(post_code.get()),
        ..Default::default()
    };
    let address = address.insert(txn).await?;
    let customer = customer::ActiveModel {
        name: Set(name.into()),
        address_id: Set(address.id),
        ..Default::default()
    };
    let customer = customer.insert(txn).await?;
    Ok(Customer::from((&customer, &address)))
}

/// Changes a customer, if the precondition holds. One statement to load and lock customer and address, one more for
/// each of the two that changes (on MySQL two more).
///
/// # Errors
/// [`Error::NotFound`], [`Error::PreconditionFailed`]
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
    let (mut customer, mut address) = lock(txn, id).await?;
    precondition.check(&Customer::from((&customer, &address)))?;
    let CustomerChange { name, flat_number, post_code } = change;
    if let Some(name) = name {
        let mut changed = customer.into_active_model();
        changed.name = Set(name.into());
        customer = changed.update(txn).await?;
    }
    if flat_number.is_some() || post_code.is_some() {
        let mut changed = address.into_active_model();
        if let Some(flat_number) = flat_number {
            changed.flat_number = Set(flat_number.get());
        }
        if let Some(post_code) = post_code {
            changed.post_code = Set(post_code.get());
        }
        address = changed.update(txn).await?;
    }
    Ok(Customer::from((&customer, &address)))
}

/// Deletes a customer who has placed no order, with the address, if the precondition holds. Four statements.
///
/// # Errors
/// [`Error::NotFound`], [`Error::PreconditionFailed`], [`Error::InUse`]
pub async fn delete(db: &Database, id: i64, precondition: Precondition) -> Result<()> {
    db.write(move |txn| Box::pin(delete_in(txn, id, precondition.clone()))).await
}

async fn delete_in(txn: &DatabaseTransaction, id: i64, precondition: Precondition) -> Result<()> {
    let (customer, address) = lock(txn, id).await?;
    precondition.check(&Customer::from((&customer, &address)))?;
    let order = customer.find_related(orders::Entity).limit(1).one(txn).await?;
    if let Some(order) = order {
        return Err(Error::InUse { what: "customer", id, by: "order", by_id: order.id });
    }
    customer.delete(txn).await?;
    address.delete(txn).await?;
    Ok(())
}

/// Loads customer and address and locks both until the transaction ends.
async fn lock(txn: &DatabaseTransaction, id: i64) -> Result<(customer::Model, address::Model)> {
    find(txn, customer::Entity::find_by_id(id).lock_exclusive(), id).await
}

async fn find(
    db: &impl ConnectionTrait,
    customer: Select<customer::Entity>,
    id: i64,
) -> Result<(customer::Model, address::Model)> {
    let found = customer.find_both_related(address::Entity).one(db).await?;
    found.ok_or(Error::NotFound { what: "customer", id })
}
