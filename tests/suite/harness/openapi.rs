//! Operations of the OpenAPI document, with requests made from their descriptions.

use reqwest::RequestBuilder;
use serde_json::{Map, Value, json};

use super::client::Client;

/// An operation of the document.
pub struct Operation {
    /// In upper case.
    pub method: String,
    /// The path as described, with its parameters in braces.
    pub path: String,
    pub description: Value,
    body: Option<Value>,
}

impl Operation {
    /// Returns all operations that the server describes.
    pub async fn all(client: &Client) -> Vec<Self> {
        let document = client.get_json("/openapi.json").await;
        let paths = document["paths"].as_object().expect("paths are an object");
        let operations: Vec<_> = paths
            .iter()
            .flat_map(|(path, item)| {
                let item = item.as_object().expect("a path item is an object");
                item.iter().map(|(method, description)| {
                    let content = &description["requestBody"]["content"];
                    let schema = &content["application/json"]["schema"];
                    Self {
                        method: method.to_uppercase(),
                        path: path.clone(),
                        description: description.clone(),
                        body: schema.is_object().then(|| example(&document, schema)),
                    }
                })
            })
            .collect();
        assert!(!operations.is_empty(), "the document describes no operation");
        operations
    }

    /// Returns the path with values for its parameters: times for `before` and `after`, 1 for ids.
    pub fn concrete_path(&self) -> String {
        let segments = self.path.split('/').map(|segment| match segment {
            "{before}" => "2024-03-22",
            "{after}" => "2024-03-14",
            parameter if parameter.starts_with('{') => "1",
            fixed => fixed,
        });
        segments.collect::<Vec<_>>().join("/")
    }

    /// Returns a request with `query`, and with the smallest valid body if the operation has a body.
    pub fn request(&self, client: &Client, query: &str) -> RequestBuilder {
        let request = client.request(&self.method, &format!("{}{query}", self.concrete_path()));
        // A GET with a body is for clients that cannot put the values into the query.
        match &self.body {
            Some(body) if self.method != "GET" => request.json(body),
            _ => request,
        }
    }

    /// Returns true if the operation describes a response with this status.
    pub fn describes(&self, status: u16) -> bool {
        self.description["responses"].get(status.to_string()).is_some()
    }
}

/// Returns a small value that is valid for `schema`.
fn example(document: &Value, schema: &Value) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        let pointer = reference.trim_start_matches('#');
        return example(document, document.pointer(pointer).expect(reference));
    }
    if let Some(parts) = schema["allOf"].as_array() {
        return example(document, parts.first().expect("allOf has a part"));
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        let choice = choices.iter().find(|choice| choice["type"] != "null");
        return example(document, choice.expect("oneOf has a choice"));
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.first().and_then(Value::as_str),
        kind => kind.as_str(),
    };
    match kind {
        Some("object") => {
            let required = schema["required"].as_array().map_or(&[][..], Vec::as_slice);
            let fields = required.iter().map(|name| {
                let name = name.as_str().expect("names of fields are text");
                (name.to_owned(), example(document, &schema["properties"][name]))
            });
            Value::Object(fields.collect::<Map<_, _>>())
        }
        Some("array") => json!([example(document, &schema["items"])]),
        Some("integer" | "number") => json!(schema["minimum"].as_i64().unwrap_or(0).max(1)),
        Some("boolean") => json!(true),
        Some("string") => json!("x"),
        _ => panic!("no example for {schema}"),
    }
}
