//! Tables of the marketplace as SeaORM entities, one file each.
//!
//! Every relation is declared from both ends:
//!
//! ```text
//! customer 1──1 address
//! customer 1──n orders 1──n order_items n──1 item
//!               orders n──m item, through order_items
//! ```

#[expect(missing_docs, reason = "columns, relations and generated items need no description")]
pub mod address;
#[expect(missing_docs, reason = "columns, relations and generated items need no description")]
pub mod api_keys;
pub mod bulk_loads;
#[expect(missing_docs, reason = "columns, relations and generated items need no description")]
pub mod customer;
#[expect(missing_docs, reason = "columns, relations and generated items need no description")]
pub mod idempotency_keys;
#[expect(missing_docs, reason = "columns, relations and generated items need no description")]
pub mod item;
pub mod money;
pub mod money_sum;
#[expect(missing_docs, reason = "columns, relations and generated items need no description")]
pub mod order_items;
#[expect(missing_docs, reason = "columns, relations and generated items need no description")]
pub mod orders;
pub mod secrets;

pub use api_keys::Role;
pub use money::Money;
pub use money_sum::MoneySum;
