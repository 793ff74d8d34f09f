//! Check of the names of query parameters, for all routes at once.

use std::{borrow::Cow, rc::Rc};

use actix_web::{
    Error,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::Method,
    middleware::Next,
    web::Query,
};

use crate::respond::problem::{Problem, QUOTED, shorten};

/// Names of the query parameters that each method of a path accepts.
#[derive(Debug, Default)]
pub struct QueryParameters(Vec<(Method, Vec<String>)>);

impl QueryParameters {
    /// Adds a method with the names that it accepts.
    pub fn add(&mut self, method: Method, names: Vec<String>) {
        self.0.push((method, names));
    }

    /// Fails for a name that is not accepted, and for one that is given twice.
    ///
    /// A method that the path does not have is answered with 405, even if the query is invalid.
    fn check(&self, method: &Method, query: &str) -> Result<(), Problem> {
        if query.is_empty() {
            return Ok(());
        }
        // HEAD is answered like GET.
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let Some((_, accepted)) = self.0.iter().find(|(known, _)| known == method) else {
            return Ok(());
        };
        let pairs = Query::<Vec<(Cow<'_, str>, Cow<'_, str>)>>::from_query(query);
        let pairs = pairs.map_err(|error| Problem::bad_request(error.to_string()))?;
        let mut seen = Vec::new();
        for (name, _) in pairs.into_inner() {
            let Some(name) = accepted.iter().find(|accepted| **accepted == name) else {
                let name = shorten(&name, QUOTED);
                return Err(Problem::bad_request(format!("unknown query parameter {name:?}")));
            };
            if seen.contains(&name) {
                let detail = format!("query parameter {name:?} is given more than once");
                return Err(Problem::bad_request(detail));
            }
            seen.push(name);
        }
        Ok(())
    }
}

/// Middleware of each path: refuses query parameters that are not described.
pub async fn check(
    parameters: Rc<QueryParameters>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    match parameters.check(request.method(), request.query_string()) {
        Ok(()) => Ok(next.call(request).await?.map_into_boxed_body()),
        Err(problem) => Ok(request.error_response(problem)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_described_parameters_are_accepted_and_each_once() {
        let mut parameters = QueryParameters::default();
        parameters.add(Method::GET, vec!["limit".to_owned(), "sort".to_owned()]);
        parameters.add(Method::DELETE, Vec::new());
        let detail = |method, query| match parameters.check(&method, query) {
            Ok(()) => String::new(),
            Err(problem) => problem.to_string(),
        };
        for query in ["", "&", "limit=5&sort=id", "sort=&limit", "li%6dit=1"] {
            assert_eq!(detail(Method::GET, query), "", "{query}");
        }
        for (method, query, expected) in [
            (Method::GET, "limit=1&x=2", r#"unknown query parameter "x""#),
            (Method::GET, "Limit=1", r#"unknown query parameter "Limit""#),
            (Method::GET, "%00=1", r#"unknown query parameter "\0""#),
            (Method::HEAD, "=1", r#"unknown query parameter """#),
            (Method::HEAD, "sort=a&sort=a", r#"query parameter "sort" is given more than once"#),
            (Method::DELETE, "dry_run=true", r#"unknown query parameter "dry_run""#),
            (Method::DELETE, "limit=1", r#"unknown query parameter "limit""#),
            (Method::PUT, "limit=1", ""),
        ] {
            assert_eq!(detail(method, query), expected, "{query}");
        }
    }
}
