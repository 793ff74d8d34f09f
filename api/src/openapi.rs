//! The routes and their description, from one table: a route that is not described cannot be added.

use std::collections::BTreeMap;

use actix_web::{
    FromRequest, Handler, Resource, Responder,
    http::Method,
    middleware::from_fn,
    web::{self, ServiceConfig},
};
use serde::Serialize;
use service::{Fault, api_keys::Role};
use utoipa::{
    PartialSchema, Path, ToSchema,
    openapi::{
        Components, ContentBuilder, HeaderBuilder, InfoBuilder, Object, OpenApi, OpenApiBuilder,
        PathItem, Ref, RefOr, Response, ResponseBuilder, Responses, ServerBuilder,
        path::{HttpMethod, Operation, Parameter},
        schema::{Schema, SchemaType, Type},
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};
use utoipa_actix_web::OpenApiFactory;

use crate::{
    auth::{self, Access},
    limits,
};

/// What the description calls the API's keys.
const BEARER: &str = "bearer";

/// Keys have roles, which OpenAPI knows of no scheme but OAuth's.
const NO_SCOPES: [&str; 0] = [];

/// RFC 9457: why a request was refused.
#[derive(Serialize, ToSchema)]
pub struct Problem<'a> {
    /// Always `about:blank`: the status says it all.
    #[schema(example = "about:blank")]
    pub r#type: &'static str,
    /// What the status means.
    #[schema(example = "Not Found")]
    pub title: &'static str,
    /// The status.
    #[schema(example = 404)]
    pub status: u16,
    /// What happened this time.
    #[schema(example = "there is no order 99")]
    pub detail: &'a str,
    /// Under which the log says more.
    pub request_id: &'a str,
    /// What is wrong with the input, and where.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(value_type = Option<Vec<Fault>>)]
    pub errors: &'a [Fault],
}

/// A problem as an answer of its own.
pub struct ProblemResponse;

impl<'r> utoipa::ToResponse<'r> for ProblemResponse {
    fn response() -> (&'r str, RefOr<Response>) {
        ("Problem", problem_response().into())
    }
}

/// Routes that are being collected.
pub struct Routes {
    resources: BTreeMap<String, Resource>,
    document: OpenApi,
}

impl Routes {
    /// None yet.
    pub fn new() -> Self {
        let info = InfoBuilder::new()
            .title("marketsvc")
            .version(env!("CARGO_PKG_VERSION"))
            .description(Some("An order service: customers, items, orders"));
        let here = ServerBuilder::new().url("/").build();
        let document = OpenApiBuilder::new().info(info).servers(Some([here])).build();
        Self { resources: BTreeMap::new(), document }
    }

    /// Adds the route that `description`, the `__path_…` of `handler`, describes.
    pub fn add<D, F, Args>(mut self, description: D, handler: F) -> Self
    where
        D: OpenApiFactory + Path,
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let path = D::path();
        let mut resource =
            self.resources.remove(&path).unwrap_or_else(|| web::resource(path.as_str()));
        for method in D::methods() {
            let method = actix_method(&method);
            resource = resource.route(web::method(method.clone()).to(handler.clone()));
            if method == Method::GET {
                // What can be read with GET can be asked about with HEAD.
                resource = resource.route(web::head().to(handler.clone()));
            }
        }
        self.resources.insert(path, resource);
        self.describe(&description);
        self
    }

    fn describe(&mut self, description: &impl OpenApiFactory) {
        for (path, item) in description.paths().paths {
            self.document.paths.paths.entry(path).or_default().merge_operations(item);
        }
        let mut schemas = Vec::new();
        description.schemas(&mut schemas);
        let components = self.document.components.get_or_insert_with(Components::new);
        components.schemas.extend(schemas);
    }

    /// Serves the routes.
    pub fn configure(self, config: &mut ServiceConfig) {
        for resource in self.resources.into_values() {
            config.service(resource.wrap(from_fn(limits::in_time)));
        }
    }

    /// The description of the routes, with the problems that each may answer.
    pub fn into_document(mut self) -> OpenApi {
        for (path, item) in &mut self.document.paths.paths {
            let by_id = path.contains('{');
            for (method, operation) in operations(item) {
                add_access(auth::access(&method, path), operation);
                add_problems(method, by_id, operation);
                operation.parameters.iter_mut().flatten().for_each(without_null);
            }
        }
        let components = self.document.components.get_or_insert_with(Components::new);
        let mut schemas = Vec::new();
        Problem::schemas(&mut schemas);
        schemas.push((Problem::name().into_owned(), Problem::schema()));
        components.schemas.extend(schemas);
        components.responses.insert("Problem".to_owned(), problem_response().into());
        components.responses.insert("Unauthorized".to_owned(), unauthorized_response().into());
        components.security_schemes.insert(BEARER.to_owned(), bearer().into());
        self.document
    }
}

fn actix_method(method: &HttpMethod) -> Method {
    match method {
        HttpMethod::Get => Method::GET,
        HttpMethod::Post => Method::POST,
        HttpMethod::Put => Method::PUT,
        HttpMethod::Delete => Method::DELETE,
        HttpMethod::Options => Method::OPTIONS,
        HttpMethod::Head => Method::HEAD,
        HttpMethod::Patch => Method::PATCH,
        HttpMethod::Trace => Method::TRACE,
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    let PathItem { get, post, patch, delete, .. } = item;
    [(Method::GET, get), (Method::POST, post), (Method::PATCH, patch), (Method::DELETE, delete)]
        .into_iter()
        .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// What the middleware will ask for.
fn add_access(access: Access, operation: &mut Operation) {
    let Access::Role(role) = access else { return };
    operation.security = Some(vec![SecurityRequirement::new(BEARER, NO_SCOPES)]);
    let extensions = operation.extensions.get_or_insert_default();
    extensions.insert("x-role".to_owned(), role.as_str().into());
    let unauthorized = RefOr::Ref(Ref::from_response_name("Unauthorized"));
    operation.responses.responses.insert("401".to_owned(), unauthorized);
    add_problem(&mut operation.responses, "429");
    // No key may do less than read.
    if role > Role::Reader {
        add_problem(&mut operation.responses, "403");
    }
}

fn bearer() -> SecurityScheme {
    let description = "A key as `marketsvc api-key create` prints it. `x-role` says what an operation \
                       needs: a `writer` may do what a `reader` may, and an `admin` everything. A server \
                       on a loopback address may be told to ask for none.";
    let http = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("mk_ID_SECRET")
        .description(Some(description));
    SecurityScheme::Http(http.build())
}

/// Which problems there are follows from what a request can hold.
fn add_problems(method: Method, by_id: bool, operation: &mut Operation) {
    let mut add = |status: &str| add_problem(&mut operation.responses, status);
    add("500");
    add("503");
    if operation.parameters.as_ref().is_some_and(|parameters| !parameters.is_empty()) {
        add("400");
    }
    if by_id {
        add("404");
    }
    if operation.request_body.is_some() {
        ["400", "408", "409", "413", "415", "422"].into_iter().for_each(&mut add);
    }
    if method == Method::DELETE {
        add("409");
    }
    if method == Method::DELETE || method == Method::PATCH {
        add("412");
    }
}

/// What stands in a path, a query or a header is text: it can be left out, but not be null.
fn without_null(parameter: &mut RefOr<Parameter>) {
    let RefOr::T(parameter) = parameter else { return };
    let Some(RefOr::T(Schema::Object(schema))) = &mut parameter.schema else { return };
    if let SchemaType::Array(types) = &schema.schema_type {
        let one = types.iter().find(|of| **of != Type::Null).cloned();
        schema.schema_type = one.map_or(SchemaType::AnyValue, SchemaType::Type);
    }
}

fn add_problem(responses: &mut Responses, status: &str) {
    let problem = || RefOr::Ref(Ref::from_response_name("Problem"));
    responses.responses.entry(status.to_owned()).or_insert_with(problem);
}

fn unauthorized_response() -> Response {
    let challenge = HeaderBuilder::new()
        .description(Some("`Bearer`, with `error=\"invalid_token\"` if there was a key"))
        .schema(Some(Object::with_type(Type::String)))
        .build();
    let mut response = problem_response();
    response.description = "There is no key, or none that is good".into();
    response.headers.insert("WWW-Authenticate".to_owned(), challenge.into());
    response
}

fn problem_response() -> Response {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let request_id = HeaderBuilder::new()
        .description(Some("The caller's, if it sent one; under it the log says more"))
        .schema(Some(Object::with_type(Type::String)))
        .build();
    ResponseBuilder::new()
        .description("The request was refused")
        .header("X-Request-Id", request_id)
        .content("application/problem+json", content)
        .build()
}
