//! Test cases: a name, the databases to run on, and a body.

use std::panic::AssertUnwindSafe;

use futures_util::{FutureExt, future::LocalBoxFuture};
use libtest_mimic::{Failed, Trial};

use super::{backend::Backend, database::TestDatabase};

/// A test function with its name and the databases that it runs on.
pub struct Case {
    pub name: String,
    pub backends: &'static [Backend],
    pub body: fn(&TestDatabase) -> LocalBoxFuture<'_, ()>,
}

pub const ALL: &[Backend] = &[Backend::Sqlite, Backend::Postgres, Backend::Mysql];
pub const SQLITE: &[Backend] = &[Backend::Sqlite];
pub const MYSQL: &[Backend] = &[Backend::Mysql];
pub const SERVERS: &[Backend] = &[Backend::Postgres, Backend::Mysql];

/// Lists test functions of a module: `cases![a, b]` for all databases, `cases![SQLITE; a, b]` for some.
#[macro_export]
macro_rules! cases {
    ($backends:ident; $($test:ident),+ $(,)?) => {
        vec![$($crate::harness::case::Case {
            name: format!("{}::{}", module_path!().trim_start_matches("suite::"), stringify!($test)),
            backends: $crate::harness::case::$backends,
            body: |db| Box::pin($test(db)),
        }),+]
    };
    ($($test:ident),+ $(,)?) => { $crate::cases![ALL; $($test),+] };
}

/// Returns one `libtest_mimic` trial for each case and database.
pub fn trials(cases: &[Case]) -> Vec<Trial> {
    let mut trials = Vec::new();
    for case in cases {
        for &backend in case.backends {
            let name = format!("{}::{}", backend.name(), case.name);
            let body = case.body;
            let absent = !backend.is_available();
            let trial = Trial::test(name, move || run(backend, body));
            trials.push(trial.with_ignored_flag(absent && !backend.is_required()));
        }
    }
    trials
}

fn run(backend: Backend, body: fn(&TestDatabase) -> LocalBoxFuture<'_, ()>) -> Result<(), Failed> {
    if !backend.is_available() {
        return Err(format!("{} is required but not installed", backend.name()).into());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let db = TestDatabase::create(backend).await;
        let outcome = AssertUnwindSafe(body(&db)).catch_unwind().await;
        let removed = AssertUnwindSafe(db.remove()).catch_unwind().await;
        outcome.and(removed).map_err(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("panicked").into()
        })
    })
}
