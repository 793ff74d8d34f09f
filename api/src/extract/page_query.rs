//! Query parameters of a page: `limit`, `sort`, `cursor`.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use deserr::Deserr;
use service::pagination::{Cursor, MAX_PAGE_SIZE, PageRequest, Sort, SortField};
use utoipa::{
    IntoParams,
    openapi::{
        ObjectBuilder, Required,
        path::{Parameter, ParameterBuilder, ParameterIn},
        schema::{KnownFormat, SchemaFormat, Type},
    },
};

use super::{cursor::CursorSigner, field_errors::FieldErrors, query};
use crate::{respond::problem::Problem, server::limits::Limits};

const DEFAULT_LIMIT: u64 = 50;

/// Request for a page, sorted by a `Field`, with the parts of a link to the next page.
pub struct PageQuery<Field> {
    /// Request for the service.
    pub request: PageRequest<Field>,
    path: String,
    query: String,
    context: String,
    signer: CursorSigner,
}

#[derive(Deserr)]
#[deserr(error = FieldErrors)]
struct Parameters {
    #[deserr(default)]
    limit: Option<String>,
    #[deserr(default)]
    sort: Option<String>,
    #[deserr(default)]
    cursor: Option<String>,
}

impl<Field: SortField> FromRequest for PageQuery<Field> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Limits::of(request).and_then(|limits| {
            let signer = CursorSigner::of(request)?;
            let max = (limits.max_page_size, limits.max_page_bytes);
            Self::parse(request.path(), request.query_string(), max, signer)
        }))
    }
}

impl<Field: SortField> PageQuery<Field> {
    fn parse(
        path: &str,
        query: &str,
        (max, max_bytes): (u64, usize),
        signer: CursorSigner,
    ) -> Result<Self, Problem> {
        let Parameters { limit, sort, cursor } = query::read(query)?;
        let limit = query::parse_limit(limit.as_deref(), max.min(DEFAULT_LIMIT), max)?;
        let sort_text = sort.as_deref().unwrap_or("id");
        let sort = parse_sort::<Field>(sort_text)?;
        let context = format!("{path} {sort_text} ");
        let after = match &cursor {
            Some(text) => {
                let cursor = signer.decode(text, &context);
                let cursor = cursor.filter(|cursor| sort.field.accepts(&cursor.key));
                Some(cursor.ok_or_else(|| {
                    Problem::bad_request("invalid cursor for this list and sort order")
                })?)
            }
            None => None,
        };
        let request = PageRequest { limit, max_bytes, sort, after };
        let (path, query) = (path.to_owned(), query.to_owned());
        Ok(Self { request, path, query, context, signer })
    }
}

impl<Field> PageQuery<Field> {
    /// Returns the value of the parameter `cursor` for the page after `next`.
    pub fn next_cursor(&self, next: &Cursor) -> String {
        self.signer.encode(next, &self.context)
    }

    /// Returns the URL of the page after `cursor`, with the other parameters unchanged.
    pub fn next_url(&self, cursor: &str) -> String {
        let others =
            self.query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("cursor="));
        let query: Vec<_> = others.map(str::to_owned).chain([format!("cursor={cursor}")]).collect();
        format!("{}?{}", self.path, query.join("&"))
    }
}

fn parse_sort<Field: SortField>(text: &str) -> Result<Sort<Field>, Problem> {
    let (name, descending) = match text.strip_prefix('-') {
        Some(name) => (name, true),
        None => (text, false),
    };
    let found = Field::ALL.iter().find(|(known, _)| *known == name);
    let (_, field) = found.ok_or_else(|| {
        let known = names::<Field>().join(", ");
        Problem::bad_request(format!("sort must be one of {known}, or one of them after a -"))
    })?;
    Ok(Sort { field: *field, descending })
}

fn names<Field: SortField>() -> Vec<&'static str> {
    Field::ALL.iter().map(|(name, _)| *name).collect()
}

impl<Field: SortField> IntoParams for PageQuery<Field> {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let parameter = |name: &str, description: String, schema: ObjectBuilder| {
            ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Query)
                .required(Required::False)
                .description(Some(description))
                .schema(Some(schema.build()))
        };
        let limit = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
            .minimum(Some(1))
            .maximum(Some(MAX_PAGE_SIZE));
        let names = names::<Field>();
        let pattern = format!("^-?({})$", names.join("|"));
        let sort = ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern));
        let example = names.last().map(|name| format!("-{name}"));
        vec![
            parameter(
                "limit",
                format!("Maximum number of rows; {DEFAULT_LIMIT} by default."),
                limit,
            )
            .example(Some(DEFAULT_LIMIT.into()))
            .build(),
            parameter(
                "cursor",
                "`next_cursor` of the page before.".to_owned(),
                ObjectBuilder::new().schema_type(Type::String),
            )
            .build(),
            parameter(
                "sort",
                "Field to sort by, in descending order after a `-`; `id` by default.".to_owned(),
                sort,
            )
            .example(example.map(Into::into))
            .build(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDateTime;
    use service::{
        items::ItemSort,
        orders::OrderSort,
        pagination::{MIN_PAGE_BYTES, SortValue},
    };

    use super::*;
    use crate::extract::cursor::tests::signer;

    const PATH: &str = "/api/v1/items";
    const MAX: (u64, usize) = (20, MIN_PAGE_BYTES);

    fn parse(query: &str) -> Result<PageQuery<ItemSort>, String> {
        PageQuery::parse(PATH, query, MAX, signer("")).map_err(|problem| problem.to_string())
    }

    #[test]
    fn a_page_is_requested_by_limit_and_sort() {
        let first = parse("").unwrap().request;
        assert_eq!((first.limit, first.sort.descending, first.after), (20, false, None));
        let sorted = parse("sort=-price&limit=3&name=x").unwrap().request;
        assert_eq!((sorted.limit, sorted.sort.descending), (3, true));
        assert_eq!(sorted.sort.field, ItemSort::Price);
        for (query, expected) in [
            ("limit=21", "limit must be between 1 and 20"),
            ("sort=size", "sort must be one of id, name, price, or one of them after a -"),
            ("cursor=abc", "invalid cursor for this list and sort order"),
        ] {
            assert_eq!(parse(query).err().as_deref(), Some(expected), "{query}");
        }
    }

    #[test]
    fn a_cursor_leads_to_the_next_page_of_the_same_list_and_order_only() {
        let page = parse("sort=name&cursor=&limit=3").err();
        assert!(page.is_some(), "an empty cursor is none");
        let page = parse("sort=name&limit=3").unwrap();
        let next = Cursor { key: SortValue::Text("Milk".to_owned()), id: 4 };
        let text = page.next_cursor(&next);
        let url = page.next_url(&text);
        assert_eq!(url, format!("{PATH}?sort=name&limit=3&cursor={text}"));
        let (_, query) = url.split_once('?').unwrap();
        let second = parse(query).unwrap();
        assert_eq!(second.request.after, Some(next));
        assert_eq!(second.next_url("x"), format!("{PATH}?sort=name&limit=3&cursor=x"));
        assert!(parse(&query.replace("sort=name", "sort=-name")).is_err());
        assert!(parse(&query.replace("sort=name", "sort=price")).is_err());
        assert!(PageQuery::<ItemSort>::parse("/api/v1/other", query, MAX, signer("")).is_err());
    }

    /// A database could hold another service's secret; values are checked even if the signature is right.
    #[test]
    fn a_signed_cursor_with_a_value_that_the_field_cannot_have_is_refused() {
        let text = |text: &str| SortValue::Text(text.to_owned());
        for (sort, key, valid) in [
            ("name", text("Milk"), true),
            ("name", text(&"x".repeat(201)), false),
            ("name", text("a\u{0}"), false),
            ("name", SortValue::Number(1), false),
            ("price", SortValue::Number(0), true),
            ("price", SortValue::Number(-1), false),
            ("price", text("1"), false),
        ] {
            let page = parse(&format!("sort={sort}")).unwrap();
            let cursor = page.next_cursor(&Cursor { key: key.clone(), id: 4 });
            let read = parse(&format!("sort={sort}&cursor={cursor}"));
            assert_eq!(read.is_ok(), valid, "{sort} {key:?}");
        }
        let orders =
            |query: &str| PageQuery::<OrderSort>::parse("/api/v1/orders", query, MAX, signer(""));
        let page = orders("sort=order_time").unwrap_or_else(|problem| panic!("{problem}"));
        for (time, valid) in [
            ("9999-12-31T23:59:59.999999", true),
            ("+10000-01-01T00:00:00", false),
            ("-0001-01-01T00:00:00", false),
            ("2016-12-31T23:59:60", false),
        ] {
            let key = SortValue::Time(time.parse::<NaiveDateTime>().unwrap());
            let cursor = page.next_cursor(&Cursor { key, id: 4 });
            let read = orders(&format!("sort=order_time&cursor={cursor}"));
            assert_eq!(read.is_ok(), valid, "{time}");
        }
    }
}
