//! `/api/v1/customers`

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Query},
};
use serde::{Deserialize, Serialize};
use service::{
    Database,
    customers::{self, Address, Customer, CustomerChange, CustomerField, NewCustomer},
    orders::{self, Order, OrderField},
};
use utoipa::{IntoParams, ToSchema};

use super::orders::expand;
use crate::{
    body::{Body, IdempotencyHeader},
    clock,
    conditional::{self, IfMatchHeader, IfNoneMatchHeader},
    fields::{Fields, FromFields, name, natural},
    id::{Id, IdPath},
    openapi::Routes,
    page::{self, NoQuery, PageBody},
    problem::Problem,
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

/// The parameters of the list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct CustomersQuery {
    /// How many customers; 50 if not given.
    #[param(minimum = 1, maximum = 100, example = 50)]
    limit: Option<u64>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// By what; with `-` before it the other way round. By `id` if not given.
    #[param(pattern = "^-?(id|name)$", example = "name")]
    sort: Option<String>,
    /// Only customers whose name starts so.
    #[param(pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
    name: Option<String>,
}

/// A page of the customers.
#[utoipa::path(get, path = "/api/v1/customers", tag = "customers", params(CustomersQuery),
    responses((status = 200, description = "A page", body = PageBody<Customer>,
        headers(("Link" = String, description = "The next page, if there is one")))))]
async fn list_customers(
    db: Data<Database>,
    query: Query<CustomersQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let CustomersQuery { limit, cursor, sort, name } = query.into_inner();
    let window =
        page::window::<CustomerField>(&request, limit, sort.as_deref(), cursor.as_deref())?;
    page::check_prefix(name.as_deref())?;
    let page = customers::list(db.reader(), &window, name.as_deref()).await?;
    Ok(page::answer(&request, sort.as_deref(), page))
}

/// The customer.
#[utoipa::path(get, path = "/api/v1/customers/{id}", tag = "customers",
    params(IdPath, IfNoneMatchHeader),
    responses((status = 200, description = "The customer", body = Customer, headers(("ETag" = String))),
        (status = 304, description = "They are as the caller has them")))]
async fn get_customer(
    db: Data<Database>,
    id: Id,
    _: Query<NoQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    conditional::tagged(&request, &customers::get(db.reader(), id.0).await?)
}

/// A customer to add.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewCustomer)]
struct NewCustomerBody {
    /// What they are called.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = "^[^\\s\\u0000-\\u001f\\u007f-\\u009f]([^\\u0000-\\u001f\\u007f-\\u009f]*[^\\s\\u0000-\\u001f\\u007f-\\u009f])?$",
        example = "Alex"
    )]
    name: String,
    /// Where they live.
    address: AddressBody,
}

/// Where a customer lives.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewAddress)]
struct AddressBody {
    /// The flat within the house.
    #[schema(minimum = 0, maximum = 2_147_483_647, example = 101)]
    flat_number: i32,
    /// The post code of the house.
    #[schema(minimum = 0, maximum = 2_147_483_647, example = 10001)]
    post_code: i32,
}

impl FromFields for NewCustomer {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let name = fields.required("name", name);
        let address = fields.required_object("address", |address| {
            let flat_number = address.required("flat_number", natural);
            let post_code = address.required("post_code", natural);
            Some(Address { flat_number: flat_number?, post_code: post_code? })
        });
        Some(Self { name: name?, address: address? })
    }
}

/// Adds a customer with their address.
#[utoipa::path(post, path = "/api/v1/customers", tag = "customers", request_body = NewCustomerBody,
    params(IdempotencyHeader),
    responses((status = 201, description = "The customer", body = Customer,
        headers(("Location" = String), ("ETag" = String), ("Idempotency-Replayed" = String, description = "`true` for a repeated request")))))]
async fn create_customer(
    db: Data<Database>,
    body: Body<NewCustomer>,
) -> Result<HttpResponse, Problem> {
    let created = customers::create(&db, body.value, body.key, clock::now()).await?;
    Ok(conditional::created(COLLECTION, created))
}

/// What to change; what is left out stays as it is.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CustomerChange)]
struct CustomerChangeBody {
    /// What they are called from now on.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = "^[^\\s\\u0000-\\u001f\\u007f-\\u009f]([^\\u0000-\\u001f\\u007f-\\u009f]*[^\\s\\u0000-\\u001f\\u007f-\\u009f])?$",
        nullable = false
    )]
    name: Option<String>,
    /// Where they live from now on.
    #[schema(nullable = false)]
    address: Option<AddressChangeBody>,
}

/// What to change of an address; what is left out stays as it is.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AddressChange)]
struct AddressChangeBody {
    /// The flat within the house.
    #[schema(minimum = 0, maximum = 2_147_483_647, nullable = false)]
    flat_number: Option<i32>,
    /// The post code of the house.
    #[schema(minimum = 0, maximum = 2_147_483_647, nullable = false)]
    post_code: Option<i32>,
}

impl FromFields for CustomerChange {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let name = fields.optional("name", name);
        let address = fields.object("address", |address| {
            Some((address.optional("flat_number", natural), address.optional("post_code", natural)))
        });
        let (flat_number, post_code) = address.unwrap_or_default();
        Some(Self { name, flat_number, post_code })
    }
}

/// Changes the customer.
#[utoipa::path(patch, path = "/api/v1/customers/{id}", tag = "customers", request_body = CustomerChangeBody,
    params(IdPath, IfMatchHeader),
    responses((status = 200, description = "The customer as they are now", body = Customer, headers(("ETag" = String)))))]
async fn update_customer(
    db: Data<Database>,
    id: Id,
    request: HttpRequest,
    body: Body<CustomerChange>,
) -> Result<HttpResponse, Problem> {
    let precondition = conditional::precondition(&request)?;
    let customer = customers::update(&db, id.0, body.value, precondition).await?;
    conditional::whole(&customer)
}

/// Removes the customer and their address, unless they have placed an order.
#[utoipa::path(delete, path = "/api/v1/customers/{id}", tag = "customers",
    params(IdPath, IfMatchHeader),
    responses((status = 204, description = "They are gone")))]
async fn delete_customer(
    db: Data<Database>,
    id: Id,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    customers::delete(&db, id.0, conditional::precondition(&request)?).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The parameters of a customer's orders.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct OrdersOfCustomerQuery {
    /// How many orders; 50 if not given.
    #[param(minimum = 1, maximum = 100, example = 50)]
    limit: Option<u64>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// By what; with `-` before it the other way round. By `id` if not given.
    #[param(pattern = "^-?(id|order_time)$", example = "-order_time")]
    sort: Option<String>,
    /// What to load beside the lines, with commas between: `customer`, `customer.address`, `items.item`.
    #[param(
        pattern = "^(customer|customer\\.address|items\\.item)(,(customer|customer\\.address|items\\.item))*$"
    )]
    expand: Option<String>,
}

/// A page of the customer's orders.
#[utoipa::path(get, path = "/api/v1/customers/{id}/orders", tag = "orders",
    params(IdPath, OrdersOfCustomerQuery),
    responses((status = 200, description = "A page", body = PageBody<Order>,
        headers(("Link" = String, description = "The next page, if there is one")))))]
async fn list_orders_of_customer(
    db: Data<Database>,
    id: Id,
    query: Query<OrdersOfCustomerQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let OrdersOfCustomerQuery { limit, cursor, sort, expand: relations } = query.into_inner();
    let window = page::window::<OrderField>(&request, limit, sort.as_deref(), cursor.as_deref())?;
    let expand = expand(relations.as_deref())?;
    let page = orders::list_of_customer(db.reader(), id.0, &window, expand).await?;
    Ok(page::answer(&request, sort.as_deref(), page))
}
