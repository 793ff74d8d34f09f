//! Lists a page at a time.

use actix_web::{HttpRequest, HttpResponse, http::header::LINK};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use service::{
    list::{Page, Position, Sort, SortField, Window},
    version::digest,
};
use utoipa::ToSchema;

use crate::{limits::Limits, problem::Problem};

const DEFAULT_LIMIT: u64 = 50;

/// No parameter at all: what is not known is refused here too.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoQuery {}

/// A page of a list.
#[derive(Serialize, ToSchema)]
pub struct PageBody<Row> {
    /// The rows, in the order asked for.
    pub data: Vec<Row>,
    /// For the parameter `cursor` of the next page; null on the last one.
    pub next_cursor: Option<String>,
}

/// The window that `limit`, `sort` and `cursor` ask for.
pub fn window<Field: SortField>(
    request: &HttpRequest,
    limit: Option<u64>,
    sort: Option<&str>,
    cursor: Option<&str>,
) -> Result<Window<Field>, Problem> {
    let most = Limits::of(request)?.max_page_size;
    let limit = limit.unwrap_or(most.min(DEFAULT_LIMIT));
    if !(1..=most).contains(&limit) {
        return Err(Problem::bad_request(format!("limit is from 1 to {most}")));
    }
    let sort_text = sort.unwrap_or("id");
    let sort = parse_sort::<Field>(sort_text)?;
    let place = place(request, sort_text);
    let after = cursor.map(|cursor| decode(cursor, &place)).transpose()?;
    if after.as_ref().is_some_and(|after| !sort.field.fits(&after.key)) {
        return Err(no_cursor());
    }
    Ok(Window { limit, sort, after })
}

fn parse_sort<Field: SortField>(text: &str) -> Result<Sort<Field>, Problem> {
    let (name, descending) = match text.strip_prefix('-') {
        Some(name) => (name, true),
        None => (text, false),
    };
    let found = Field::ALL.iter().find(|(known, _)| *known == name);
    let (_, field) = found.ok_or_else(|| {
        let known: Vec<_> = Field::ALL.iter().map(|(name, _)| *name).collect();
        Problem::bad_request(format!(
            "sort is one of {}, or one with - before it",
            known.join(", ")
        ))
    })?;
    Ok(Sort { field: *field, descending })
}

/// The page, with a link to the next one.
pub fn answer<Row: Serialize>(
    request: &HttpRequest,
    sort: Option<&str>,
    page: Page<Row>,
) -> HttpResponse {
    let next_cursor =
        page.next.as_ref().map(|next| encode(next, &place(request, sort.unwrap_or("id"))));
    let mut answer = HttpResponse::Ok();
    if let Some(cursor) = &next_cursor {
        answer.insert_header((LINK, format!("<{}>; rel=\"next\"", with_cursor(request, cursor))));
    }
    answer.json(PageBody { data: page.rows, next_cursor })
}

fn with_cursor(request: &HttpRequest, cursor: &str) -> String {
    let others = request
        .query_string()
        .split('&')
        .filter(|pair| !pair.is_empty() && !pair.starts_with("cursor="));
    let query: Vec<_> = others.map(str::to_owned).chain([format!("cursor={cursor}")]).collect();
    format!("{}?{}", request.path(), query.join("&"))
}

/// Refuses what no name can hold.
pub fn check_prefix(prefix: Option<&str>) -> Result<(), Problem> {
    if prefix.is_some_and(|prefix| prefix.chars().any(char::is_control)) {
        return Err(Problem::bad_request("name must not contain control characters"));
    }
    Ok(())
}

/// The list and the order in which a cursor is a place.
fn place(request: &HttpRequest, sort: &str) -> String {
    format!("{} {sort} ", request.path())
}

/// Characters of the digest that tells a cursor of this place from others and from typing errors. It
/// keeps nobody from making one up, who would only choose another place to start at.
const SEAL: usize = 12;

fn encode(position: &Position, place: &str) -> String {
    let json = serde_json::to_vec(position).unwrap_or_default();
    seal(place, &json) + &URL_SAFE_NO_PAD.encode(json)
}

fn decode(text: &str, place: &str) -> Result<Position, Problem> {
    let (given, encoded) = text.split_at_checked(SEAL).ok_or_else(no_cursor)?;
    let json = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| no_cursor())?;
    if given != seal(place, &json) {
        return Err(no_cursor());
    }
    serde_json::from_slice(&json).map_err(|_| no_cursor())
}

fn no_cursor() -> Problem {
    Problem::bad_request("this cursor is none that this list gave in this order")
}

fn seal(place: &str, json: &[u8]) -> String {
    digest(&[place.as_bytes(), json].concat()).chars().take(SEAL).collect()
}

#[cfg(test)]
mod tests {
    use service::list::Key;

    use super::*;

    #[test]
    fn a_cursor_comes_back_and_no_other_text_is_one() {
        let position = Position { key: Key::Text("Zoë".to_owned()), id: 7 };
        let cursor = encode(&position, "-name");
        assert_eq!(decode(&cursor, "-name").unwrap(), position);
        assert!(decode(&cursor, "name").is_err());
        for n in 0..cursor.len() {
            let mut bytes = cursor.clone().into_bytes();
            bytes[n] = if bytes[n] == b'A' { b'B' } else { b'A' };
            assert!(decode(&String::from_utf8(bytes).unwrap(), "-name").is_err(), "{n}");
            assert!(decode(&cursor[..n], "-name").is_err(), "{n}");
        }
        assert!(decode("é".repeat(40).as_str(), "id").is_err());
    }
}

#[cfg(test)]
mod properties {
    use chrono::DateTime;
    use proptest::{prelude::*, sample::Index};
    use service::list::Key;

    use super::*;

    const PLACE: &str = "/api/v1/items -name ";

    fn positions() -> impl Strategy<Value = Position> {
        let moments = -62_135_596_800_000_000..253_402_300_800_000_000_i64;
        let time = |micros| DateTime::from_timestamp_micros(micros).unwrap().naive_utc();
        let keys = prop_oneof![
            any::<i64>().prop_map(Key::Number),
            "(?s).{0,200}".prop_map(Key::Text),
            moments.prop_map(move |micros| Key::Time(time(micros))),
        ];
        (keys, any::<i64>()).prop_map(|(key, id)| Position { key, id })
    }

    proptest! {
        #[test]
        fn every_position_comes_back(position in positions(), place: String) {
            prop_assert_eq!(decode(&encode(&position, &place), &place).unwrap(), position);
        }

        #[test]
        fn a_cursor_with_another_character_is_none(
            position in positions(),
            at: Index,
            other in prop_oneof!["[A-Za-z0-9_-]", "(?s)."],
        ) {
            let mut cursor = encode(&position, PLACE);
            let at = at.index(cursor.len());
            prop_assume!(cursor[at..=at] != other);
            cursor.replace_range(at..=at, &other);
            prop_assert!(decode(&cursor, PLACE).is_err());
        }

        #[test]
        fn no_other_text_is_a_cursor(text in prop_oneof!["(?s).*", "[A-Za-z0-9_-]{0,80}"]) {
            prop_assert!(decode(&text, PLACE).is_err());
        }
    }
}
