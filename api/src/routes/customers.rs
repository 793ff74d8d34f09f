//! `/api/v1/customers`

use actix_web::{HttpResponse, web::Data};
use deserr::Deserr;
use service::{
    Database,
    customers::{self, Customer, CustomerChange, CustomerSort, NewAddress, NewCustomer},
    domain::{AddressNumber, Name},
    orders::{self, Order, OrderSort},
};
use utoipa::ToSchema;

use super::registry::Routes;
use crate::{
    extract::{
        consistency::ReadDatabase,
        expand::ExpandQuery,
        field_errors::FieldErrors,
        id::Id,
        idempotent::Idempotent,
        json_body::JsonBody,
        name_prefix::NamePrefixQuery,
        page_query::PageQuery,
        preconditions::{IfMatch, IfNoneMatch},
    },
    respond::{
        etag,
        page::{self, PageBody},
        problem::Problem,
    },
    server::clock,
};

const COLLECTION: &str = "/api/v1/customers";

/// Adds the routes.
pub fn add_to(routes: Routes) -> Routes {
    routes
        .add(__path_list_customers, list_customers)
        .add(__path_create_customer, create_customer)
        .add(__path_get_customer, get_customer)
        .add(__path_update_customer, update_customer)
        .add(__path_delete_customer, delete_customer)
        .add(__path_list_orders_of_customer, list_orders_of_customer)
}

/// Returns a page of the customers with their addresses.
#[utoipa::path(get, path = "/api/v1/customers", tag = "customers",
    params(PageQuery::<CustomerSort>, NamePrefixQuery, ReadDatabase),
    responses((status = 200, description = "Page of customers", body = PageBody<Customer>,
        headers(("Link" = String, description = "Next page, unless this is the last one")))))]
async fn list_customers(
    db: ReadDatabase,
    query: PageQuery<CustomerSort>,
    prefix: NamePrefixQuery,
) -> Result<HttpResponse, Problem> {
    let customers = customers::list(db.reader(), &query.request, prefix.0.as_ref()).await?;
    page::page(&query, customers)
}

/// Returns the customer with the address.
#[utoipa::path(get, path = "/api/v1/customers/{id}", tag = "customers", params(Id, IfNoneMatch, ReadDatabase),
    responses((status = 200, description = "The customer", body = Customer, headers(("ETag" = String))),
        (status = 304, description = "The client has the current version")))]
async fn get_customer(
    db: ReadDatabase,
    id: Id,
    if_none_match: IfNoneMatch,
) -> Result<HttpResponse, Problem> {
    etag::unless_match(&if_none_match, &customers::get(db.reader(), id.id).await?)
}

/// New customer.
#[derive(Deserr, ToSchema)]
#[deserr(error = FieldErrors, deny_unknown_fields)]
#[serde(deny_unknown_fields)]
#[schema(as = NewCustomer, example = json!({"name": "Alex", "address": {"flat_number": 101, "post_code": 10001}}))]
struct NewCustomerBody {
    /// Name.
    #[schema(inline)]
    name: Name,
    /// Address.
    address: NewAddressBody,
}

/// Address of a new customer.
#[derive(Deserr, ToSchema)]
#[deserr(error = FieldErrors, deny_unknown_fields)]
#[serde(deny_unknown_fields)]
#[schema(as = NewAddress, example = json!({"flat_number": 101, "post_code": 10001}))]
struct NewAddressBody {
    /// Number of the flat in the building.
    #[schema(inline)]
    flat_number: AddressNumber,
    /// Post code.
    #[schema(inline)]
    post_code: AddressNumber,
}

impl From<NewCustomerBody> for NewCustomer {
    fn from(body: NewCustomerBody) -> Self {
        let NewCustomerBody { name, address: NewAddressBody { flat_number, post_code } } = body;
        Self { name, address: NewAddress { flat_number, post_code } }
    }
}

/// Adds a customer with the address.
#[utoipa::path(post, path = "/api/v1/customers", tag = "customers", request_body = NewCustomerBody,
    params(Idempotent::<NewCustomerBody>),
    responses((status = 201, description = "The customer", body = Customer,
        headers(("Location" = String), ("ETag" = String), ("Idempotency-Replayed" = String, description = "`true` for a repeated request")))))]
async fn create_customer(
    db: Data<Database>,
    request: Idempotent<NewCustomerBody>,
) -> Result<HttpResponse, Problem> {
    let Idempotent { body, key } = request;
    let created = customers::create(&db, body.into(), key, clock::now()).await?;
    Ok(etag::created(COLLECTION, created))
}

/// Changes of a customer; a field that is left out stays as it is.
#[derive(Deserr, ToSchema)]
#[deserr(error = FieldErrors, deny_unknown_fields)]
#[serde(deny_unknown_fields)]
#[schema(as = CustomerChange)]
struct CustomerChangeBody {
    /// New name.
    #[deserr(default, from(Name) = Some)]
    #[schema(inline, nullable = false)]
    name: Option<Name>,
    /// Changes of the address.
    #[deserr(default, from(AddressChangeBody) = Some)]
    #[schema(nullable = false)]
    address: Option<AddressChangeBody>,
}

/// Changes of an address; a field that is left out stays as it is.
#[derive(Default, Deserr, ToSchema)]
#[deserr(error = FieldErrors, deny_unknown_fields)]
#[serde(deny_unknown_fields)]
#[schema(as = AddressChange)]
struct AddressChangeBody {
    /// New number of the flat.
    #[deserr(default, from(AddressNumber) = Some)]
    #[schema(inline, nullable = false)]
    flat_number: Option<AddressNumber>,
    /// New post code.
    #[deserr(default, from(AddressNumber) = Some)]
    #[schema(inline, nullable = false)]
    post_code: Option<AddressNumber>,
}

impl From<CustomerChangeBody> for CustomerChange {
    fn from(body: CustomerChangeBody) -> Self {
        let CustomerChangeBody { name, address } = body;
        let AddressChangeBody { flat_number, post_code } = address.unwrap_or_default();
        Self { name, flat_number, post_code }
    }
}

/// Changes the customer.
#[utoipa::path(patch, path = "/api/v1/customers/{id}", tag = "customers",
    request_body = CustomerChangeBody, params(Id, IfMatch),
    responses((status = 200, description = "The changed customer", body = Customer, headers(("ETag" = String)))))]
async fn update_customer(
    db: Data<Database>,
    id: Id,
    if_match: IfMatch,
    body: JsonBody<CustomerChangeBody>,
) -> Result<HttpResponse, Problem> {
    let change = body.0.into();
    etag::with_etag(&customers::update(&db, id.id, change, if_match.precondition).await?)
}

/// Deletes the customer and the address, unless the customer has placed an order.
#[utoipa::path(delete, path = "/api/v1/customers/{id}", tag = "customers", params(Id, IfMatch),
    responses((status = 204, description = "The customer is deleted")))]
async fn delete_customer(
    db: Data<Database>,
    id: Id,
    if_match: IfMatch,
) -> Result<HttpResponse, Problem> {
    customers::delete(&db, id.id, if_match.precondition).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Returns a page of the customer's orders.
#[utoipa::path(get, path = "/api/v1/customers/{id}/orders", tag = "orders",
    params(Id, PageQuery::<OrderSort>, ExpandQuery, ReadDatabase),
    responses((status = 200, description = "Page of orders", body = PageBody<Order>,
        headers(("Link" = String, description = "Next page, unless this is the last one")))))]
async fn list_orders_of_customer(
    db: ReadDatabase,
    id: Id,
    query: PageQuery<OrderSort>,
    expand: ExpandQuery,
) -> Result<HttpResponse, Problem> {
    let orders = orders::list_of_customer(db.reader(), id.id, &query.request, expand.0).await?;
    page::page(&query, orders)
}
