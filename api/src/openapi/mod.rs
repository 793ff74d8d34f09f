//! Completion of the OpenAPI document: adds the parts that all operations have in common.

mod inline;

use actix_web::http::Method;
use service::api_keys::Role;
use utoipa::{
    PartialSchema, ToResponse, ToSchema,
    openapi::{
        Components, ContentBuilder, HeaderBuilder, InfoBuilder, Object, OpenApi, OpenApiBuilder,
        PathItem, Ref, RefOr, Response, ResponseBuilder, Responses, ServerBuilder,
        path::{Operation, Parameter},
        schema::{Schema, SchemaType, Type},
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use crate::{
    middleware::authentication::{Access, required_access},
    respond::problem::ProblemBody,
};

/// Name of the security scheme.
const BEARER: &str = "bearer";

/// API keys have roles; OpenAPI has scopes for OAuth only.
const NO_SCOPES: [&str; 0] = [];

/// Problem as a response of one operation.
pub struct ProblemResponse;

impl<'r> ToResponse<'r> for ProblemResponse {
    fn response() -> (&'r str, RefOr<Response>) {
        ("Problem", problem_response().into())
    }
}

/// Creates a document without routes.
pub fn empty() -> OpenApi {
    let info = InfoBuilder::new()
        .title("marketsvc")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("Order service: customers, items, orders"));
    let here = ServerBuilder::new().url("/").build();
    OpenApiBuilder::new().info(info).servers(Some([here])).build()
}

/// Adds the access that each operation needs, the problems that it may answer, and the components for them.
pub fn complete(mut document: OpenApi) -> OpenApi {
    for (path, item) in &mut document.paths.paths {
        let by_id = path.contains('{');
        for (method, operation) in operations(item) {
            add_access(required_access(&method, path), operation);
            add_problems(&method, by_id, operation);
            operation.parameters.iter_mut().flatten().for_each(without_null);
        }
    }
    let components = document.components.get_or_insert_with(Components::new);
    components.schemas.values_mut().for_each(inline::simplify);
    let mut schemas = Vec::new();
    ProblemBody::schemas(&mut schemas);
    schemas.push((ProblemBody::name().into_owned(), ProblemBody::schema()));
    components.schemas.extend(schemas);
    components.responses.insert("Problem".to_owned(), problem_response().into());
    components.responses.insert("Unauthorized".to_owned(), unauthorized_response().into());
    components.security_schemes.insert(BEARER.to_owned(), bearer().into());
    document
}

/// Returns the operations of a path, by method.
pub fn operations(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    let PathItem { get, post, patch, delete, .. } = item;
    [(Method::GET, get), (Method::POST, post), (Method::PATCH, patch), (Method::DELETE, delete)]
        .into_iter()
        .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

fn add_access(access: Access, operation: &mut Operation) {
    let Access::Role(role) = access else { return };
    operation.security = Some(vec![SecurityRequirement::new(BEARER, NO_SCOPES)]);
    let extensions = operation.extensions.get_or_insert_default();
    extensions.insert("x-role".to_owned(), role.as_str().into());
    let unauthorized = RefOr::Ref(Ref::from_response_name("Unauthorized"));
    operation.responses.responses.insert("401".to_owned(), unauthorized);
    add_problem(&mut operation.responses, "429");
    // Every role may read.
    if role > Role::Reader {
        add_problem(&mut operation.responses, "403");
    }
}

fn bearer() -> SecurityScheme {
    let description = "API key as `marketsvc api-key create` prints it. `x-role` is the role that an \
                       operation needs: a `writer` may do what a `reader` may, and an `admin` everything. \
                       A server at a loopback address may be configured to need no API key.";
    let http = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("mk_ID_SECRET")
        .description(Some(description));
    SecurityScheme::Http(http.build())
}

/// Adds the problems that follow from the parts of a request. Every request has a query, whose parameters are checked.
fn add_problems(method: &Method, by_id: bool, operation: &mut Operation) {
    let mut add = |status: &str| add_problem(&mut operation.responses, status);
    ["400", "500", "503"].into_iter().for_each(&mut add);
    if by_id {
        add("404");
    }
    if operation.request_body.is_some() {
        ["408", "409", "413", "415", "422"].into_iter().for_each(&mut add);
    }
    if method == Method::DELETE {
        add("409");
    }
    if method == Method::DELETE || method == Method::PATCH {
        add("412");
    }
}

/// A parameter is text: it can be left out, but not be null.
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
        .description(Some("`Bearer`, with `error=\"invalid_token\"` if an API key was sent"))
        .schema(Some(Object::with_type(Type::String)))
        .build();
    let mut response = problem_response();
    response.description = "The API key is missing, unknown, expired or revoked".into();
    response.headers.insert("WWW-Authenticate".to_owned(), challenge.into());
    response
}

fn problem_response() -> Response {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let request_id = HeaderBuilder::new()
        .description(Some("Id of the request: the client's, if it sent one"))
        .schema(Some(Object::with_type(Type::String)))
        .build();
    ResponseBuilder::new()
        .description("The request was refused")
        .header("X-Request-Id", request_id)
        .content("application/problem+json", content)
        .build()
}
