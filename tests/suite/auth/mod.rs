//! Authentication, roles, and the administration of API keys.

mod command_line;
mod hosts;
mod paths;
mod requests;
mod switches;
mod usage;

use crate::harness::{app::App, case::Case, client::TestResponse, database::TestDatabase};

pub fn cases() -> Vec<Case> {
    [
        command_line::cases(),
        hosts::cases(),
        paths::cases(),
        requests::cases(),
        switches::cases(),
        usage::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Creates an API key with that role.
pub async fn create_api_key(db: &TestDatabase, role: &str) -> String {
    let key = db.run_ok(&["api-key", "create", "--role", role, "--name", role]).await;
    key.trim_end().to_owned()
}

fn id(key: &str) -> &str {
    &key[3..11]
}

fn secret(key: &str) -> &str {
    &key[12..]
}

async fn serve(db: &TestDatabase) -> App {
    db.serve(&["--demo", "--auth", "required"]).await
}

async fn send(app: &App, method: &str, path: &str, key: &str) -> TestResponse {
    TestResponse::of(app.client.request(method, path).bearer_auth(key)).await
}

async fn expire(db: &TestDatabase, key: &str) {
    let id = id(key);
    let sql = format!("UPDATE api_keys SET expires_at = '2020-01-01 00:00:00' WHERE id = '{id}'");
    db.execute(&sql).await.unwrap();
}
