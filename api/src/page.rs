//! Lists a page at a time.

use actix_web::{HttpRequest, HttpResponse, http::header::LINK};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use service::{
    list::{MAX_LIMIT, Page, Position, Sort, SortField, Window},
    version::digest,
};
use utoipa::ToSchema;

use crate::problem::Problem;

const DEFAULT_LIMIT: u64 = 50;

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
    limit: Option<u64>,
    sort: Option<&str>,
    cursor: Option<&str>,
) -> Result<Window<Field>, Problem> {
    let limit = limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(Problem::bad_request(format!("limit is from 1 to {MAX_LIMIT}")));
    }
    let sort_text = sort.unwrap_or("id");
    let after = cursor.map(|cursor| decode(cursor, sort_text)).transpose()?;
    Ok(Window { limit, sort: parse_sort(sort_text)?, after })
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
    let next_cursor = page.next.as_ref().map(|next| encode(next, sort.unwrap_or("id")));
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

/// What a cursor holds: a place, and the order in which it is one.
#[derive(Serialize, Deserialize)]
struct Cursor {
    sort: String,
    at: Position,
}

/// Characters of the digest that tells a cursor from what somebody made up.
const SEAL: usize = 12;

fn encode(position: &Position, sort: &str) -> String {
    let cursor = Cursor { sort: sort.to_owned(), at: position.clone() };
    let json = serde_json::to_vec(&cursor).unwrap_or_default();
    seal(&json) + &URL_SAFE_NO_PAD.encode(json)
}

fn decode(text: &str, sort: &str) -> Result<Position, Problem> {
    let wrong = || Problem::bad_request("this cursor is none that this list gave");
    let (given, encoded) = text.split_at_checked(SEAL).ok_or_else(wrong)?;
    let json = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| wrong())?;
    let cursor: Cursor = serde_json::from_slice(&json).map_err(|_| wrong())?;
    if given != seal(&json) || cursor.sort != sort {
        return Err(wrong());
    }
    Ok(cursor.at)
}

fn seal(json: &[u8]) -> String {
    digest(&[b"cursor 1 ", json].concat()).chars().take(SEAL).collect()
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
