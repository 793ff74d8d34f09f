//! `/api/v1/items`

use actix_web::{HttpResponse, web::Data};
use deserr::Deserr;
use service::{
    Database,
    domain::{Description, MoneySchema, Name, Price},
    items::{self, Item, ItemChange, ItemSort, NewItem},
};
use utoipa::ToSchema;

use super::registry::Routes;
use crate::{
    extract::{
        consistency::ReadDatabase,
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

/// Returns a page of the items.
#[utoipa::path(get, path = "/api/v1/items", tag = "items",
    params(PageQuery::<ItemSort>, NamePrefixQuery, ReadDatabase),
    responses((status = 200, description = "Page of items", body = PageBody<Item>,
        headers(("Link" = String, description = "Next page, unless this is the last one")))))]
async fn list_items(
    db: ReadDatabase,
    query: PageQuery<ItemSort>,
    prefix: NamePrefixQuery,
) -> Result<HttpResponse, Problem> {
    let items = items::list(db.reader(), &query.request, prefix.0.as_ref()).await?;
    page::page(&query, items)
}

/// Returns the item.
#[utoipa::path(get, path = "/api/v1/items/{id}", tag = "items", params(Id, IfNoneMatch, ReadDatabase),
    responses((status = 200, description = "The item", body = Item, headers(("ETag" = String))),
        (status = 304, description = "The client has the current version")))]
async fn get_item(
    db: ReadDatabase,
    id: Id,
    if_none_match: IfNoneMatch,
) -> Result<HttpResponse, Problem> {
    etag::unless_match(&if_none_match, &items::get(db.reader(), id.id).await?)
}

/// New item.
#[derive(Deserr, ToSchema)]
#[deserr(error = FieldErrors, deny_unknown_fields)]
#[serde(deny_unknown_fields)]
#[schema(as = NewItem, example = json!({"name": "Bread", "price": 10.5, "description": "a loaf of bread"}))]
struct NewItemBody {
    /// Name.
    #[schema(inline)]
    name: Name,
    /// Price.
    #[schema(value_type = MoneySchema)]
    price: Price,
    /// Description.
    #[deserr(default)]
    #[schema(inline)]
    description: Option<Description>,
}

impl From<NewItemBody> for NewItem {
    fn from(body: NewItemBody) -> Self {
        let NewItemBody { name, price, description } = body;
        Self { name, price, description }
    }
}

/// Adds an item.
#[utoipa::path(post, path = "/api/v1/items", tag = "items", request_body = NewItemBody,
    params(Idempotent::<NewItemBody>),
    responses((status = 201, description = "The item", body = Item,
        headers(("Location" = String), ("ETag" = String), ("Idempotency-Replayed" = String, description = "`true` for a repeated request")))))]
async fn create_item(
    db: Data<Database>,
    request: Idempotent<NewItemBody>,
) -> Result<HttpResponse, Problem> {
    let Idempotent { body, key } = request;
    let created = items::create(&db, body.into(), key, clock::now()).await?;
    Ok(etag::created(COLLECTION, created))
}

/// Changes of an item; a field that is left out stays as it is.
#[derive(Deserr, ToSchema)]
#[deserr(error = FieldErrors, deny_unknown_fields)]
#[serde(deny_unknown_fields)]
#[schema(as = ItemChange)]
struct ItemChangeBody {
    /// New name.
    #[deserr(default, from(Name) = Some)]
    #[schema(inline, nullable = false)]
    name: Option<Name>,
    /// New price; orders that were placed keep their prices.
    #[deserr(default, from(Price) = Some)]
    #[schema(value_type = Option<MoneySchema>, nullable = false)]
    price: Option<Price>,
    /// New description; null removes it.
    #[deserr(default, from(Option<Description>) = Some)]
    #[schema(inline, value_type = Option<Description>)]
    description: Option<Option<Description>>,
}

impl From<ItemChangeBody> for ItemChange {
    fn from(body: ItemChangeBody) -> Self {
        let ItemChangeBody { name, price, description } = body;
        Self { name, price, description }
    }
}

/// Changes the item.
#[utoipa::path(patch, path = "/api/v1/items/{id}", tag = "items", request_body = ItemChangeBody,
    params(Id, IfMatch),
    responses((status = 200, description = "The changed item", body = Item, headers(("ETag" = String)))))]
async fn update_item(
    db: Data<Database>,
    id: Id,
    if_match: IfMatch,
    body: JsonBody<ItemChangeBody>,
) -> Result<HttpResponse, Problem> {
    let change = body.0.into();
    etag::with_etag(&items::update(&db, id.id, change, if_match.precondition).await?)
}

/// Deletes the item, unless an order refers to it.
#[utoipa::path(delete, path = "/api/v1/items/{id}", tag = "items", params(Id, IfMatch),
    responses((status = 204, description = "The item is deleted")))]
async fn delete_item(
    db: Data<Database>,
    id: Id,
    if_match: IfMatch,
) -> Result<HttpResponse, Problem> {
    items::delete(&db, id.id, if_match.precondition).await?;
    Ok(HttpResponse::NoContent().finish())
}
