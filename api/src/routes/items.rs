//! `/api/v1/items`

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Query},
};
use entity::Money;
use serde::{Deserialize, Serialize};
use service::{
    Database,
    items::{self, Item, ItemChange, ItemField, NewItem},
};
use utoipa::{IntoParams, ToSchema};

use crate::{
    body::{Body, IdempotencyHeader},
    clock,
    conditional::{self, IfMatchHeader, IfNoneMatchHeader},
    fields::{Fields, FromFields, money, name, text},
    id::{Id, IdPath},
    openapi::Routes,
    page::{self, NoQuery, PageBody},
    problem::Problem,
};

const COLLECTION: &str = "/api/v1/items";

/// Adds the routes.
pub fn add_to(routes: Routes) -> Routes {
    routes
        .add(__path_list_items, list_items)
        .add(__path_create_item, create_item)
        .add(__path_get_item, get_item)
        .add(__path_update_item, update_item)
        .add(__path_delete_item, delete_item)
}

/// The parameters of the list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ItemsQuery {
    /// How many items; 50 if not given.
    #[param(minimum = 1, maximum = 100, example = 50)]
    limit: Option<u64>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// By what; with `-` before it the other way round. By `id` if not given.
    #[param(pattern = "^-?(id|name|price)$", example = "-price")]
    sort: Option<String>,
    /// Only items whose name starts so.
    #[param(pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
    name: Option<String>,
}

/// A page of the items.
#[utoipa::path(get, path = "/api/v1/items", tag = "items", params(ItemsQuery),
    responses((status = 200, description = "A page", body = PageBody<Item>,
        headers(("Link" = String, description = "The next page, if there is one")))))]
async fn list_items(
    db: Data<Database>,
    query: Query<ItemsQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let ItemsQuery { limit, cursor, sort, name } = query.into_inner();
    let window = page::window::<ItemField>(&request, limit, sort.as_deref(), cursor.as_deref())?;
    page::check_prefix(name.as_deref())?;
    let page = items::list(db.reader(), &window, name.as_deref()).await?;
    Ok(page::answer(&request, sort.as_deref(), page))
}

/// The item.
#[utoipa::path(get, path = "/api/v1/items/{id}", tag = "items",
    params(IdPath, IfNoneMatchHeader),
    responses((status = 200, description = "The item", body = Item, headers(("ETag" = String))),
        (status = 304, description = "It is as the caller has it")))]
async fn get_item(
    db: Data<Database>,
    id: Id,
    _: Query<NoQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    conditional::tagged(&request, &items::get(db.reader(), id.0).await?)
}

/// An item to add.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewItem)]
struct NewItemBody {
    /// What it is called.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = "^[^\\s\\u0000-\\u001f\\u007f-\\u009f]([^\\u0000-\\u001f\\u007f-\\u009f]*[^\\s\\u0000-\\u001f\\u007f-\\u009f])?$",
        example = "Bread"
    )]
    name: String,
    /// What it costs.
    price: Money,
    /// More about it.
    #[schema(
        max_length = 2000,
        pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$",
        example = "a loaf of bread"
    )]
    description: Option<String>,
}

impl FromFields for NewItem {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let name = fields.required("name", name);
        let price = fields.required("price", money);
        let description = fields.nullable("description", |value| text(value, 2000)).flatten();
        Some(Self { name: name?, price: price?, description })
    }
}

/// Adds an item.
#[utoipa::path(post, path = "/api/v1/items", tag = "items", request_body = NewItemBody,
    params(IdempotencyHeader),
    responses((status = 201, description = "The item", body = Item,
        headers(("Location" = String), ("ETag" = String), ("Idempotency-Replayed" = String, description = "`true` for a repeated request")))))]
async fn create_item(db: Data<Database>, body: Body<NewItem>) -> Result<HttpResponse, Problem> {
    let created = items::create(&db, body.value, body.key, clock::now()).await?;
    Ok(conditional::created(COLLECTION, created))
}

/// What to change; what is left out stays as it is.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ItemChange)]
struct ItemChangeBody {
    /// What it is called from now on.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = "^[^\\s\\u0000-\\u001f\\u007f-\\u009f]([^\\u0000-\\u001f\\u007f-\\u009f]*[^\\s\\u0000-\\u001f\\u007f-\\u009f])?$",
        nullable = false
    )]
    name: Option<String>,
    /// What it costs from now on; orders that were placed keep their prices.
    #[schema(nullable = false)]
    price: Option<Money>,
    /// More about it; null takes the description away.
    #[schema(max_length = 2000, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
    description: Option<String>,
}

impl FromFields for ItemChange {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            name: fields.optional("name", name),
            price: fields.optional("price", money),
            description: fields.nullable("description", |value| text(value, 2000)),
        })
    }
}

/// Changes the item.
#[utoipa::path(patch, path = "/api/v1/items/{id}", tag = "items", request_body = ItemChangeBody,
    params(IdPath, IfMatchHeader),
    responses((status = 200, description = "The item as it is now", body = Item, headers(("ETag" = String)))))]
async fn update_item(
    db: Data<Database>,
    id: Id,
    request: HttpRequest,
    body: Body<ItemChange>,
) -> Result<HttpResponse, Problem> {
    let precondition = conditional::precondition(&request)?;
    let item = items::update(&db, id.0, body.value, precondition).await?;
    conditional::whole(&item)
}

/// Removes the item, unless an order refers to it.
#[utoipa::path(delete, path = "/api/v1/items/{id}", tag = "items",
    params(IdPath, IfMatchHeader),
    responses((status = 204, description = "It is gone")))]
async fn delete_item(
    db: Data<Database>,
    id: Id,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    items::delete(&db, id.0, conditional::precondition(&request)?).await?;
    Ok(HttpResponse::NoContent().finish())
}
