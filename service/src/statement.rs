//! From a query of the ORM to a statement of the database, for the reads that are asked for most.

use std::sync::OnceLock;

use sea_orm::{DbBackend, Statement, StatementBuilder, Value, sea_query::SelectStatement};

/// The statement of a query, with its limit written out.
///
/// A statement whose limit is an argument is planned anew at each use, by PostgreSQL and by SQLite: the
/// best plan for a page is not the best for the whole table.
pub fn build(backend: DbBackend, query: &SelectStatement) -> Statement {
    let mut statement = StatementBuilder::build(query, &backend);
    let arguments = statement.values.as_mut().map(|values| &mut values.0);
    if let Some(arguments) = arguments
        && let Some(&Value::BigUnsigned(Some(limit))) = arguments.last()
        && let Some((query, argument)) = statement.sql.rsplit_once(" LIMIT ")
        && argument.trim_start_matches(['?', '$']).bytes().all(|byte| byte.is_ascii_digit())
    {
        statement.sql = format!("{query} LIMIT {limit}");
        arguments.pop();
    }
    statement
}

/// Stands for the id in a statement that is built; no row has it.
const PLACEHOLDER: i64 = i64::MIN;

/// Something made once for each of the databases.
pub struct PerBackend<T>([OnceLock<T>; 3]);

impl<T> PerBackend<T> {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self([const { OnceLock::new() }; 3])
    }

    /// What there is, or else what `make` makes now.
    pub fn get_or_make(&self, backend: DbBackend, make: impl FnOnce() -> T) -> &T {
        let [sqlite, postgres, mysql] = &self.0;
        let slot = match backend {
            DbBackend::Sqlite => sqlite,
            DbBackend::Postgres => postgres,
            _ => mysql,
        };
        slot.get_or_init(make)
    }
}

/// A statement about one id that is built once and bound to another id at each use.
///
/// To build it anew would take longer than everything else that a small answer takes.
pub struct ById {
    build: fn(DbBackend, i64) -> SelectStatement,
    built: PerBackend<Statement>,
}

impl ById {
    /// The one that `build` makes.
    pub const fn new(build: fn(DbBackend, i64) -> SelectStatement) -> Self {
        Self { build, built: PerBackend::new() }
    }

    /// The statement about `id`.
    pub fn bind(&self, backend: DbBackend, id: i64) -> Statement {
        let build = || build(backend, &(self.build)(backend, PLACEHOLDER));
        let mut statement = self.built.get_or_make(backend, build).clone();
        for value in statement.values.iter_mut().flat_map(|values| &mut values.0) {
            if *value == Value::from(PLACEHOLDER) {
                *value = id.into();
            }
        }
        statement
    }
}
