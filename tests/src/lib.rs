//! Documentation tests: `cargo test` compiles the Rust blocks of the repository's Markdown files and runs them.
//!
//! A block without a language is Rust for rustdoc, so a block of anything else names its language. The tests of the
//! service are in `tests/suite/`.

#[cfg(doctest)]
mod markdown {
    #[doc = include_str!("../../README.md")]
    struct Readme;

    #[doc = include_str!("../../ARCHITECTURE.md")]
    struct Architecture;

    #[doc = include_str!("../../CONTRIBUTING.md")]
    struct Contributing;

    #[doc = include_str!("../../docs/adding-an-aggregate.md")]
    struct AddingAnAggregate;

    #[doc = include_str!("../../docs/api.md")]
    struct Api;

    #[doc = include_str!("../../docs/from-sqlalchemy.md")]
    struct FromSqlalchemy;

    #[doc = include_str!("../../docs/operations.md")]
    struct Operations;

    #[doc = include_str!("../../docs/scaling.md")]
    struct Scaling;
}
